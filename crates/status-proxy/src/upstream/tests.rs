//! Conversations with scripted upstreams.
