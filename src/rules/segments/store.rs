//! This rule has no tables of its own: tags and interests belong to the directory, so that other
//! rules find them there ([`crate::directory::facts`]).
