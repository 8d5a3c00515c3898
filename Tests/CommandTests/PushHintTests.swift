import FerryCore
import Testing

@testable import otaferry

@Suite("What a person can do when a push does not go on")
struct PushHintTests {
    @Test(
        "What the cloud refused is tried again from the gateway, what the gateway refused is sent again",
        arguments: [(1, "otaferry retry ci/x tries again"), (0, "the same push begins anew")]
    )
    func failed(attempts: Int64, words: String) throws {
        let address = try #require(TransferAddress(parsing: "ci/x"))
        var status = TransferStatus(state: .failed, seq: 1)
        status.attempt = attempts
        status.reason = Reason(.tooLarge, .permanent, "The file is larger than the cloud takes")
        let hint = PushHints.hint(for: status, address: address)
        #expect(hint.contains(words), "\(hint)")
    }
}
