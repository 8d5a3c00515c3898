import Testing

// The built program with a real broker and the simulated cloud. Two tests at a time, one of each suite: every one starts
// several programs and mostly waits for them, and the time limits are meant for a machine that is not overloaded.

/// What the agent does: intake, publication, and how both outlast faults.
@Suite("The agent as a whole", .serialized, .timeLimit(.minutes(5)))
enum SystemTests {}

/// What senders and operators see and may do: commands, the doctor, documents, figures.
@Suite("The agent as people meet it", .serialized, .timeLimit(.minutes(5)))
enum PeopleTests {}
