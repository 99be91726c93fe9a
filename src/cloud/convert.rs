//! Between AWS's types and the stack's; what `ELBv2` answers is read by `albedo-elbv2`.

pub(super) mod action;
pub(super) mod condition;
pub(super) mod ec2;
pub(super) mod nlb;
pub(super) mod rule;
pub(super) mod write;

#[cfg(test)]
mod tests;
