//! Bad configurations, refused with one clear line.
