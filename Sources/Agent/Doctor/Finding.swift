package import FerryCore

/// One thing that `otaferry doctor` looked at, and what it found.
package struct Finding: Sendable, Hashable {
    /// How bad it is.
    package enum Grade: String, Sendable, Hashable, CaseIterable {
        /// As it should be.
        case ok
        /// Worth knowing; nothing is lost by it.
        case note
        /// It will hurt one day.
        case warning
        /// It hurts now: firmware is lost, refused or stays where it is.
        case error
        /// It could not be looked at; the text says why.
        case skipped
    }

    package var check: DoctorCheck
    package var grade: Grade
    /// What was seen.
    package var text: String
    /// What follows from it; empty where all is well.
    package var why: String
    /// What to do about it; empty where there is nothing.
    package var remedy: String

    package init(_ check: DoctorCheck, _ grade: Grade, _ text: String, why: String = "", remedy: String = "") {
        self.check = check
        self.grade = grade
        self.text = text
        self.why = why
        self.remedy = remedy
    }

    /// For programs.
    package var json: JSONValue {
        [
            "check": .string(check.rawValue), "grade": .string(grade.rawValue), "text": .string(text),
            "why": .string(why), "remedy": .string(remedy),
        ]
    }
}

/// What is looked at. The words are public (`docs/doctor.md`): a word is never used for something else.
package enum DoctorCheck: String, Sendable, Hashable, CaseIterable {
    case configuration
    case broker
    case brokerVersion = "broker-version"
    case brokerProtocol = "broker-protocol"
    case brokerPackets = "broker-packets"
    case brokerInflight = "broker-inflight"
    case brokerQueue = "broker-queue"
    case brokerPersistence = "broker-persistence"
    case brokerListeners = "broker-listeners"
    case brokerSessions = "broker-sessions"
    case brokerRights = "broker-rights"
    case brokerFiles = "broker-file-topics"
    case brokerSenders = "broker-senders"
    case brokerStates = "broker-states"
    case agent
    case spoolRights = "spool-rights"
    case spoolRoom = "spool-room"
    case spoolDisk = "spool-disk"
    case spoolWear = "spool-wear"
    case secrets
    case metrics
    case clock
    case cloud
    case cloudProxy = "cloud-proxy"
    case cloudCredentials = "cloud-credentials"
    case cloudUpload = "cloud-upload"
    case service
    case serviceMemory = "service-memory"
    case serviceWatchdog = "service-watchdog"
    case servicePaths = "service-paths"
}
