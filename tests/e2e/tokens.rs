//! Tokens: whose they are, and what spoils them.
