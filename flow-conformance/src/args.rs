//! The command line: which flows and laws, and what to write.

use std::path::PathBuf;

use clap::Parser;
use flow_testkit::{Law, Subject, Suite, laws};

use crate::flows;

const AFTER: &str = "\
Exit status: 0 if every law that was run is kept, 1 if one is not or none was run, 2 if the command line is wrong or a file cannot be written.

Environment:
  FLOW_TESTKIT_ROW       Run laws in this one of their eight ways only
  FLOW_TESTKIT_SEED      What random sequences follow from: a number, or `random` [default: 1]
  FLOW_TESTKIT_CASES     How many random sequences are tried [default: 256]
  FLOW_TESTKIT_ROUNDS    How many times as many rounds laws on two threads make [default: 1]
  FLOW_TESTKIT_WATCHDOG  Seconds without any step after which a law hangs [default: 20]
  NO_COLOR               No colours";

/// Runs every law of the contract on every flow that is shipped, and shows the matrix.
#[derive(Debug, Parser)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// Only flows whose names contain this; may be given several times
    #[arg(long, value_name = "SUBSTRING")]
    pub(crate) flow: Vec<String>,
    /// Only laws whose names contain this; may be given several times
    #[arg(long, value_name = "SUBSTRING")]
    pub(crate) law: Vec<String>,
    /// --flow and --law are whole names
    #[arg(long)]
    pub(crate) exact: bool,
    /// Write all results to this file as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write all results to this file as JUnit XML
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Write the matrix to this file as a page that needs no other file
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Only list the flows and laws that would be run
    #[arg(long)]
    pub(crate) list: bool,
    /// One more flow: a broken one of the kit, to see a failure
    #[arg(long, value_name = "NAME", hide = true)]
    pub(crate) broken: Vec<String>,
}

/// What is to be run.
#[derive(Debug)]
pub(crate) struct Chosen {
    /// The flows.
    pub(crate) suite: Suite,
    /// The laws.
    pub(crate) laws: Vec<Law>,
}

impl Args {
    /// The flows and laws of this command line.
    ///
    /// # Errors
    ///
    /// If a filter matches nothing: a misspelt name must not look like a success.
    pub(crate) fn choose(&self) -> Result<Chosen, String> {
        let mut subjects = flows::shipped().subjects().to_vec();
        for name in &self.broken {
            let broken =
                flows::broken(name).ok_or(format!("no broken flow has the name {name}"))?;
            if subjects.iter().all(|s| s.name() != broken.name()) {
                subjects.push(broken);
            }
        }
        let subjects = self.filter("flow", &self.flow, subjects, Subject::name)?;
        let laws = self.filter("law", &self.law, laws::all(), |law| law.name)?;
        let suite = subjects.into_iter().fold(Suite::new(), Suite::subject);
        Ok(Chosen { suite, laws })
    }

    fn filter<T>(
        &self,
        what: &str,
        filters: &[String],
        mut all: Vec<T>,
        name: impl Fn(&T) -> &str,
    ) -> Result<Vec<T>, String> {
        let matches = |filter: &String, item: &T| match self.exact {
            true => name(item) == filter,
            false => name(item).contains(filter.as_str()),
        };
        for filter in filters {
            if !all.iter().any(|item| matches(filter, item)) {
                let asked = if self.exact { "is" } else { "contains" };
                return Err(format!(
                    "no {what} has a name that {asked} {filter:?}; see --list"
                ));
            }
        }
        if !filters.is_empty() {
            all.retain(|item| filters.iter().any(|filter| matches(filter, item)));
        }
        Ok(all)
    }
}
