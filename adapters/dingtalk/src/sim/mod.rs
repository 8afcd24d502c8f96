//! The platform itself, at wire level, on loopback.
