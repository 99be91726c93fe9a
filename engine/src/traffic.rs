//! What a load balancer answers.
