//! tmp
use super::{Effect, Tier};
use serde::Serialize;
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Code {
    Tmp,
}
pub struct CodeRow {
    pub mend: &'static str,
    pub effect: Effect,
    pub tier: Tier,
}
pub const CODES: &[CodeRow] = &[CodeRow { mend: "", effect: Effect::Nothing, tier: Tier::Static }];
impl Code {
    pub fn row(self) -> &'static CodeRow {
        &CODES[0]
    }
}
impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("x")
    }
}
