//! The engine of Albedo: world → compile → link → diff → plan → report, pure. No clock, randomness, I/O or async in here;
//! time and ids are arguments.
//!
//! | module | what it is |
//! |---|---|
//! | [`clean`] | text without what terminals and runners of CI obey |
//! | [`finding`] | what is wrong with an object, as data |
//! | [`settings`] | what the operator decided with flags |
//! | [`kinds`] | Kubernetes kinds as Albedo reads them |
//! | [`facts`] | what is known of the AWS account |
//! | [`stack`] | AWS resources of one group, desired and observed in the same words |
//! | [`iam`] | what Albedo needs to be allowed in AWS |
//! | [`annotation`] | every annotation: grammar, scope, default, merge rule |
//! | [`explain`] | annotations and findings as text, for the terminal and the docs |
//! | [`world`] | the objects of a cluster, indexed by group |
//! | [`compile`] | one Ingress → fragment and findings |
//! | [`lbc`] | flags and feature gates of the predecessor, and what they are here |
//! | [`link`] | the fragments of a group → desired state and findings |
//! | [`traffic`] | what a load balancer answers |
//! | [`targets`] | a binding → its targets |
//! | [`plan`] | desired − observed → one pass of operations |
//! | [`ledger`] | what was applied last |
//! | [`describe`] | what an Ingress became, what it waits for and what is wrong, from the cluster alone |
//! | [`admit`] | findings → verdict; defaults |
//! | [`report`] | status and events as data |
//! | [`manifest`] | manifests as text → a world, with the place of every field |
//! | [`check`] | findings on manifests → text, JSON, SARIF, GitHub's commands |
//! | [`preflight`] | what somebody has to know who is about to switch from the predecessor |

pub mod admit;
pub mod annotation;
pub mod check;
pub mod clean;
pub mod compile;
pub mod describe;
pub mod explain;
pub mod facts;
pub mod finding;
mod glob;
pub mod iam;
pub mod kinds;
pub mod lbc;
pub mod ledger;
pub mod link;
pub mod manifest;
pub mod plan;
pub mod preflight;
pub mod report;
pub mod settings;
pub mod stack;
pub mod targets;
pub mod traffic;
pub mod world;
