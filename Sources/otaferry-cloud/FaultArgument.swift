import ArgumentParser
import CloudSimulator

/// A fault as the command line names it: `NAME[=VALUE][@CALL][xTIMES]`.
struct FaultArgument: ExpressibleByArgument {
    let scripted: ScriptedFault

    init?(argument: String) {
        guard let scripted = try? ScriptedFault(parsing: argument) else { return nil }
        self.scripted = scripted
    }
}
