#![doc = include_str!("ARCHITECTURE.md")]

pub mod telemetry;
pub mod model;
pub mod wire;
pub mod spec;
pub mod config;
pub mod store;
pub mod health;
pub mod steering;
pub mod dns;
pub mod transfer;
pub mod notify;
pub mod api;
pub mod app;
pub mod cli;
