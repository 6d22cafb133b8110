//! Certificates: ours for agents, the origins' for us.
