//! Zones with primaries made up for the purpose.
