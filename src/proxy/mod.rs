//! The agents' face: the data plane.

mod settings;

pub use settings::{Limits, Patience, Settings, Timeouts, Upstream};
