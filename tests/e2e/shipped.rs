//! The configurations in envoy/, each as people copy it.
