/// A fault with the call that it hits and how often, as the command line and the control endpoint name it:
/// `NAME[=VALUE][@CALL][xTIMES]`.
package struct ScriptedFault: Sendable {
    /// What goes wrong.
    package let fault: Fault
    /// With which call.
    package let call: Call
    /// How often; nil: always.
    package let times: Int?

    /// Reads `NAME[=VALUE][@CALL][xTIMES]`. TIMES is 1 where it is left out, 0 means always.
    package init(parsing whole: String) throws(SimulatorError) {
        var text = Substring(whole)
        var times: Int? = 1
        if let cross = text.lastIndex(of: "x"), let count = Int(text[text.index(after: cross)...]), count >= 0 {
            times = count == 0 ? nil : count
            text = text[..<cross]
        }
        var call: String?
        if let at = text.lastIndex(of: "@") {
            call = String(text[text.index(after: at)...])
            text = text[..<at]
        }
        try self.init(name: String(text), call: call, times: times)
    }

    /// - Parameters:
    ///   - name: `NAME[=VALUE]`.
    ///   - call: a call's name; nil: the one that the fault is usually about.
    ///   - times: nil: always.
    package init(name: String, call: String?, times: Int?) throws(SimulatorError) {
        let named = call.map { Call(parsing: $0) }
        let isCallKnown = named.map { $0 != nil && $0 != .unknown } ?? true
        let callMistake = "There is no call \(call ?? ""); there are ticket, upload, register, list, query and delete"
        let read: Fault
        do throws(SimulatorError) {
            read = try Fault(parsing: name)
        } catch {
            // All mistakes at once.
            throw isCallKnown ? error : SimulatorError(.faultText, "\(error.operation). \(callMistake)")
        }
        guard isCallKnown else { throw SimulatorError(.faultText, callMistake) }
        fault = read
        self.call = (named ?? nil) ?? read.usualCall
        self.times = times
    }
}
