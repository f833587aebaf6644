//! fovea-orchestrator
