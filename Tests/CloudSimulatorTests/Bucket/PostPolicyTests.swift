import Foundation
import Testing

@testable import CloudSimulator

@Suite("PostPolicy")
struct PostPolicyTests {
    private func policy(_ conditions: String, expiration: String = "2030-01-01T00:00:00.000Z") throws -> PostPolicy {
        let text = #"{"expiration":"\#(expiration)","conditions":\#(conditions)}"#
        return try PostPolicy(encoded: Data(text.utf8).base64EncodedString())
    }

    @Test(
        "Every form of condition holds for the fields it is made for and fails for others",
        arguments: [
            (#"[{"key":"a/b.bin"}]"#, true), (#"[{"key":"a/c.bin"}]"#, false),
            (#"[["eq","$key","a/b.bin"]]"#, true), (#"[["eq","$key","a/B.bin"]]"#, false),
            (#"[["starts-with","$key","a/"]]"#, true), (#"[["starts-with","$key","b/"]]"#, false),
            (#"[["starts-with","$key",""]]"#, true), (#"[["in","$key",["x","a/b.bin"]]]"#, true),
            (#"[["in","$key",["x"]]]"#, false), (#"[["not-in","$key",["x"]]]"#, true),
            (#"[["not-in","$key",["a/b.bin"]]]"#, false), (#"[{"bucket":"here"}]"#, true),
            (#"[{"bucket":"there"}]"#, false), (#"[["eq","$Success_Action_Status","200"]]"#, true),
            (#"[["eq","$x-oss-absent","1"]]"#, false),
        ]
    )
    func conditions(text: String, holds: Bool) throws {
        let policy = try policy(text)
        let fields = ["key": "a/b.bin", "success_action_status": "200"]
        if holds {
            try policy.check(fields, bucket: "here")
        } else {
            let refusal = #expect(throws: BucketRefusal.self) { try policy.check(fields, bucket: "here") }
            #expect(refusal?.status == 403)
            #expect(refusal?.message.contains("Policy Condition failed") == true)
        }
    }

    @Test("The range of sizes is read")
    func sizes() throws {
        #expect(try policy(#"[["content-length-range",1,1048576000]]"#).sizes == 1...1_048_576_000)
    }

    @Test(
        "A document that is none is refused",
        arguments: [
            "[]", #"[["content-length-range",5,1]]"#, #"[["like","$key","a"]]"#, #"[["eq","key","a"]]"#, "[1]", "{}",
        ]
    )
    func malformed(conditions: String) {
        let refusal = #expect(throws: BucketRefusal.self) { try policy(conditions) }
        #expect(refusal?.code == "InvalidPolicyDocument")
    }
}
