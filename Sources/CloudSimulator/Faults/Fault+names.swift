extension Fault {
    /// A few words for the record of the call.
    package var name: String {
        switch self {
        case .pass: "pass"
        case .answer(let answer): "answer \(answer.status)"
        case .answerAfterwards(let answer): "answer \(answer.status) afterwards"
        case .refuse(_, let code, _, _): code
        case .fail(let code, _): code
        case .refuseAfterwards(_, let code, _): "\(code) afterwards"
        case .failAfterwards(let code, _): "\(code) afterwards"
        case .hold: "hold"
        case .holdAfterwards: "hold afterwards"
        case .delay: "delay"
        case .delayAfterwards: "delay afterwards"
        case .hangUp: "hang-up"
        case .hangUpAfterwards: "hang-up afterwards"
        case .cutAnswer: "cut-answer"
        case .halfAnswer: "half-answer"
        case .slowAnswer: "slow-answer"
        case .shape(let shape): "shape \(shape.rawValue)"
        case .slowUpload: "slow"
        case .holdUpload: "hold upload"
        case .hangUpUpload: "hang-up in the upload"
        case .policyExpired: "policy-expired"
        case .wrongChecksum: "wrong-crc"
        case .noChecksum: "no-crc"
        }
    }

    /// The call that a fault is about where none is named.
    package var usualCall: Call {
        switch self {
        case .slowUpload, .holdUpload, .hangUpUpload, .policyExpired, .wrongChecksum, .noChecksum: .postObject
        default: .createFirmware
        }
    }

    var isPolicyExpired: Bool {
        if case .policyExpired = self { return true }
        return false
    }

    /// What holds a call until it is released.
    var gate: Gate? {
        switch self {
        case .hold(let gate), .holdAfterwards(let gate), .holdUpload(_, let gate): gate
        default: nil
        }
    }
}
