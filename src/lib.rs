//! Hutong.
pub mod demo;
