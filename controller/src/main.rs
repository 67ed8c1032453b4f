//! svidgate.
fn main() {}
