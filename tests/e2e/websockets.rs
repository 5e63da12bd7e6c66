//! WebSockets and the requests beside them.
