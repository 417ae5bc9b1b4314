//! One process for each law: this program again, told by its environment to run one law and to say what became of it.

use std::env;
use std::io::{self, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::asked;
use crate::law::{Law, watchdog};
use crate::laws;
use crate::report::{Outcome, Report};
use crate::subject::Subject;

/// Names the flow and the law that a process is to run.
const VARIABLE: &str = "FLOW_TESTKIT_RUN";
/// What comes behind this on the standard output is the report.
const MARK: &str = "\u{1}flow-testkit report\n";

/// If this process was started to run one law: runs it, says what became of it, and exits.
pub(crate) fn serve(subjects: &[Subject]) {
    let Ok(wanted) = env::var(VARIABLE) else {
        return;
    };
    let (subject, law) = wanted.split_once('\n').unwrap_or((&wanted, ""));
    let subject = subjects.iter().find(|known| known.name() == subject);
    let report = match (subject, laws::find(law)) {
        (Some(subject), Some(law)) => subject.run(&law, true, watchdog()),
        _ => panic!("{VARIABLE} names no flow and law of this program: {wanted:?}"),
    };
    let mut out = io::stdout().lock();
    let written = out
        .write_all(write(&report).as_bytes())
        .and_then(|()| out.flush());
    // A law that hangs has left its thread behind: it ends here.
    std::process::exit(i32::from(written.is_err()));
}

/// Runs one law in a process of its own, and waits for its report.
pub(crate) fn run(subject: &Subject, law: &Law) -> Report {
    let mut report = Report::new(subject.name(), law);
    report.outcome = Outcome::Crashed;
    let started = env::current_exe().and_then(|program| {
        Command::new(program)
            .env(VARIABLE, format!("{}\n{}", subject.name(), law.name))
            .envs(asked::seed().map(|seed| (asked::SEED, seed.to_string())))
            .stdin(Stdio::null())
            .output()
    });
    let output = match started {
        Ok(output) => output,
        Err(e) => {
            report.message = format!("this program could not be started again: {e}");
            return report;
        }
    };
    let printed = String::from_utf8_lossy(&output.stdout);
    let (printed, told) = printed.rsplit_once(MARK).unwrap_or((&printed, ""));
    if read(told, &mut report).is_none() {
        report.outcome = Outcome::Crashed;
        report.message = format!("the process that ran it ended by {}", output.status);
    }
    if report.outcome != Outcome::Kept {
        let printed = [printed.as_bytes(), &output.stderr].concat();
        report.output = String::from_utf8_lossy(&printed).into_owned();
    }
    report
}

/// Each field is its name, its length, and so many bytes.
fn write(report: &Report) -> String {
    let mut text = String::from(MARK);
    let mut field = |name: &str, value: &str| {
        text.push_str(&format!("{name} {}\n{value}\n", value.len()));
    };
    field("outcome", report.outcome.word());
    field("message", &report.message);
    if let Some((number, row)) = &report.row {
        field("number", &number.to_string());
        field("row", row);
    }
    field("rows", &report.rows.to_string());
    for event in &report.events {
        field("event", event);
    }
    // Last: a report without it was cut off.
    field("micros", &report.took.as_micros().to_string());
    text
}

fn read(mut text: &str, report: &mut Report) -> Option<()> {
    let mut number = 0;
    loop {
        let (head, rest) = text.split_once('\n')?;
        let (name, len) = head.split_once(' ')?;
        let len: usize = len.parse().ok()?;
        let value = rest.get(..len)?;
        text = rest.get(len..)?.strip_prefix('\n')?;
        match name {
            "outcome" => report.outcome = Outcome::of_word(value)?,
            "message" => value.clone_into(&mut report.message),
            "number" => number = value.parse().ok()?,
            "row" => report.row = Some((number, value.to_owned())),
            "rows" => report.rows = value.parse().ok()?,
            "event" => report.events.push(value.to_owned()),
            "micros" => {
                report.took = Duration::from_micros(value.parse().ok()?);
                return Some(());
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report::new("a flow", &laws::all()[0])
    }

    #[test]
    fn a_report_is_read_as_it_was_written() {
        let mut told = report();
        told.outcome = Outcome::Hang;
        told.message = "two\nlines, and é".to_owned();
        told.row = Some((3, "behind dyn Flow".to_owned()));
        told.rows = 4;
        told.events = vec!["one".to_owned(), String::new(), "three\n".to_owned()];
        told.took = Duration::from_micros(1234);
        let text = write(&told);
        let text = text.strip_prefix(MARK).expect("the mark");
        let mut got = report();
        read(text, &mut got).expect("a whole report");
        assert_eq!(format!("{got:?}"), format!("{told:?}"));
        // Cut off anywhere it is no report.
        for len in 0..text.len() {
            if text.is_char_boundary(len) {
                assert!(read(&text[..len], &mut report()).is_none(), "cut at {len}");
            }
        }
    }
}
