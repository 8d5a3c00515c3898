import Testing

/// The built program with a real broker and the simulated cloud. One test at a time: each starts several programs, and
/// the time limits are meant for a machine that is not overloaded.
@Suite("The agent as a whole", .serialized, .timeLimit(.minutes(5)))
enum SystemTests {}
