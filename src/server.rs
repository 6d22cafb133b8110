//! Assembly: one running Holdpoint.
