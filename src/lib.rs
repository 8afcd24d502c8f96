//! Hutong runs a company's internal communities inside the IM it already has.
//!
//! The one way data flows: a platform's callback is verified and translated by an adapter
//! ([`hutong_model::Adapter`]), stored by [`inbox`] before it is acknowledged, handled by rules in
//! one transaction with their effects, and delivered by the outbox. See `ARCHITECTURE.md`.

pub mod access;
pub mod adapters;
pub mod alert;
pub mod app;
pub mod backup;
pub mod calendar;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod config;
pub mod delivery;
pub mod demo;
pub mod directory;
pub mod dispatch;
pub mod ids;
pub mod inbox;
pub mod ingress;
pub mod issues;
pub mod lexicon;
pub mod link;
pub mod noise;
pub mod quota;
pub mod rehearse;
pub mod rules;
pub mod schedule;
pub mod segment;
pub mod store;
pub mod telemetry;
pub mod text;
pub mod trace;
