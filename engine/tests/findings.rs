//! Every finding code's two examples: the one that is accepted and the one that is refused.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a panic is what a test has for a fault"
)]

mod aged;
mod example;
mod subnet;

use albedo_engine::finding::{CODES, Certainty};
use example::review;

#[test]
fn every_code_is_found_in_its_refused_example_and_not_in_its_accepted_one() {
    let mut faults = Vec::new();
    for row in CODES {
        let (accepted, allowed) = review(row.accepts);
        if accepted.contains(row.id) || !allowed {
            faults.push(format!("{} is found in its accepted example: {accepted}", row.id));
        }
        let (refused, allowed) = review(row.refuses);
        if !refused.contains(row.id) {
            faults.push(format!("{} is not found in its refused example: {refused}", row.id));
        } else if allowed != (row.certainty != Certainty::Certain) {
            faults.push(format!("{}: allowed is {allowed}, {refused}", row.id));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
