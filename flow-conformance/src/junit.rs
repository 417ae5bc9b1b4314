//! All results as JUnit XML, for what shows test results: a suite for each flow, a case for each law.

use std::io::{self, Write};

use flow_testkit::{Outcome, Report};
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

use crate::matrix::{self, Matrix};

fn status(report: &Report) -> TestCaseStatus {
    let kind = match report.outcome {
        Outcome::Kept => return TestCaseStatus::success(),
        Outcome::Lacking | Outcome::Known => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(report.message.as_str());
            return status;
        }
        // What it found out, against what happened to it.
        Outcome::Broken => NonSuccessKind::Failure,
        Outcome::Hang | Outcome::Crashed => NonSuccessKind::Error,
    };
    let mut status = TestCaseStatus::non_success(kind);
    status
        .set_type(report.outcome.word())
        .set_message(report.message.as_str())
        .set_description(format!("{report}replay  {}\n", matrix::replay(report)));
    status
}

fn case(report: &Report) -> TestCase {
    let mut case = TestCase::new(report.law.as_str(), status(report));
    case.set_classname(report.subject.as_str());
    case.set_time(report.took);
    if !report.output.is_empty() {
        case.set_system_out(report.output.as_str());
    }
    case
}

/// Writes the document.
pub(crate) fn write(out: &mut impl Write, matrix: &Matrix) -> io::Result<()> {
    let mut document = quick_junit::Report::new("flow-conformance");
    document.set_time(matrix.took);
    for column in &matrix.columns {
        let mut suite = TestSuite::new(column.name.as_str());
        suite.set_time(column.took);
        let own = matrix.reports().filter(|r| r.subject == column.name);
        suite.add_test_cases(own.map(case));
        document.add_test_suite(suite);
    }
    document.serialize(out).map_err(io::Error::other)
}
