//! The agents' face: the data plane.
