//! The order in which clauses are shown: the contract's sections.

/// A section of the contract.
#[derive(Debug)]
pub(crate) struct Section {
    /// Its heading.
    pub(crate) title: &'static str,
    /// The ids of its clauses, in order.
    pub(crate) clauses: Vec<&'static str>,
}

/// The sections that have clauses.
pub(crate) fn sections() -> Vec<Section> {
    let mut sections: Vec<Section> = vec![];
    for line in include_str!("../../CONTRACT.md").lines() {
        if let Some(title) = line.strip_prefix("## ") {
            let clauses = vec![];
            sections.push(Section { title, clauses });
        } else if let (Some(section), Some(clause)) = (sections.last_mut(), clause(line)) {
            section.clauses.push(clause);
        }
    }
    sections.retain(|section| !section.clauses.is_empty());
    sections
}

/// The id in a row of a table of clauses: the rows of other tables have no level.
fn clause(line: &'static str) -> Option<&'static str> {
    let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
    let name = cells.next()?.strip_suffix('`')?;
    matches!(cells.next()?, "must" | "kind").then_some(name)
}

#[cfg(test)]
mod tests {
    use flow_testkit::laws;

    use super::*;

    #[test]
    fn every_law_is_in_a_section() {
        let sections = sections();
        let clauses: Vec<_> = sections.iter().flat_map(|s| &s.clauses).copied().collect();
        for law in laws::all() {
            assert!(clauses.contains(&law.name), "{} is in no section", law.name);
        }
    }
}
