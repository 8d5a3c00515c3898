import ArgumentParser
import CloudSimulator

/// A fault as the command line names it: `NAME[=VALUE][@CALL][xTIMES]`.
struct ScriptedFault: ExpressibleByArgument {
    let fault: Fault
    let call: Call
    /// nil: always.
    let times: Int?

    init?(argument: String) {
        var text = Substring(argument)
        var times: Int? = 1
        if let cross = text.lastIndex(of: "x"), let count = Int(text[text.index(after: cross)...]), count >= 0 {
            times = count == 0 ? nil : count
            text = text[..<cross]
        }
        var call: Call?
        if let at = text.lastIndex(of: "@") {
            guard let named = Call(parsing: String(text[text.index(after: at)...])) else { return nil }
            call = named
            text = text[..<at]
        }
        guard let fault = try? Fault(parsing: String(text)) else { return nil }
        self.fault = fault
        self.call = call ?? fault.usualCall
        self.times = times
    }
}
