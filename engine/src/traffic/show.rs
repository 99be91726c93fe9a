//! A trace in words: `20: path /a | /a/* does not match`.

use std::fmt;

use super::{Doubt, Outcome, Tried};

impl fmt::Display for Tried<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.priority, self.outcome)
    }
}

impl fmt::Display for Outcome<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Matched => f.write_str("matches"),
            Self::Failed(condition) => write!(f, "{condition} does not match"),
            Self::Unknown(condition, doubt) => write!(f, "{condition} may match: {doubt}"),
        }
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "the request does not say where it comes from",
            Self::Expression => "AWS may read the regular expression in another way",
            Self::Encoding => "AWS does not say whether it looks at it percent-encoded or decoded",
            Self::Field => "this version does not know the field",
        })
    }
}
