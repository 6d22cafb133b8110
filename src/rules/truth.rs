//! Three-valued answers, and the two ways of asking.

use std::ops::Not;

/// What a matcher says of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Truth {
    No,
    Yes,
    Unclear(Unclear),
}

/// Why a matcher cannot say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unclear {
    /// It depends on a body that was not read, or cannot be understood.
    Body,
    /// A value that cannot be compared, an expression that failed, a count that does not fit.
    Other,
}

/// How a matcher is asked where a request can be read in more than one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stance {
    /// Any reading will do: for what holds or denies.
    Generous,
    /// All readings must agree, letter by letter: for what passes or exempts.
    Exact,
}

impl Truth {
    /// All of: one no decides; a body that is missing is worth more than another doubt, because it can be read.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Unclear(Unclear::Body), _) | (_, Self::Unclear(Unclear::Body)) => {
                Self::Unclear(Unclear::Body)
            }
            (Self::Unclear(Unclear::Other), _) | (_, Self::Unclear(Unclear::Other)) => {
                Self::Unclear(Unclear::Other)
            }
            (Self::Yes, Self::Yes) => Self::Yes,
        }
    }

    /// Any of.
    pub(super) fn or(self, other: Self) -> Self {
        !(!self).and(!other)
    }
}

impl Not for Truth {
    type Output = Self;

    fn not(self) -> Self {
        match self {
            Self::No => Self::Yes,
            Self::Yes => Self::No,
            Self::Unclear(why) => Self::Unclear(why),
        }
    }
}

impl From<bool> for Truth {
    fn from(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

impl Stance {
    /// Under a `not` or an `unless` the strict reading is the other one.
    pub(super) const fn opposite(self) -> Self {
        match self {
            Self::Generous => Self::Exact,
            Self::Exact => Self::Generous,
        }
    }
}
