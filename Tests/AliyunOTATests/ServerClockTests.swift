import FerryCore
import Foundation
import Synchronization
import Testing

@testable import AliyunOTA

@Suite("Server clock")
struct ServerClockTests {
    @Test(
        "The date of HTTP headers is read",
        arguments: [
            ("Sun, 06 Nov 1994 08:49:37 GMT", "1994-11-06T08:49:37Z"),
            ("Thu, 29 Feb 2024 23:59:59 GMT", "2024-02-29T23:59:59Z"),
            ("Thu, 01 Jan 1970 00:00:00 GMT", "1970-01-01T00:00:00Z"),
            ("Fri, 31 Dec 2100 12:00:00 GMT", "2100-12-31T12:00:00Z"),
        ]
    )
    func dates(text: String, expected: String) { #expect(HTTPDate.parse(text)?.iso8601Seconds == expected) }

    @Test(
        "Garbage in a date header is ignored",
        arguments: [
            "", "yesterday", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 06 Nov 1994 25:49:37 GMT", "Sun, 06 Foo 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49 GMT",
            "Sun, 6 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 +8:49:37 GMT",
        ]
    )
    func garbage(text: String) {
        let clock = ServerClock()
        #expect(!clock.learn(dateHeader: text))
        #expect(clock.offset == nil)
    }

    @Test("A clock that starts in 1970 signs with the server's time once it has seen it")
    func offset() throws {
        let local = Mutex(WallTime(milliseconds: 12_000))
        let clock = ServerClock { WallTime(milliseconds: 12_000) }
        #expect(clock.now() == local.withLock { $0 })
        #expect(clock.learn(dateHeader: "Fri, 02 Jan 2026 03:04:05 GMT"))
        #expect(clock.now().iso8601Seconds == "2026-01-02T03:04:05Z")
        // The same second seen half a second later is nothing new.
        #expect(!clock.learn(dateHeader: "Fri, 02 Jan 2026 03:04:06 GMT"))
        #expect(clock.learn(dateHeader: "Fri, 02 Jan 2026 03:04:08 GMT"))
    }

    @Test(
        "A certificate counts by the system's clock where that can be right, else by the server's, once it is known",
        arguments: [
            ("1970-01-02T00:00:00Z", false), ("2026-10-31T23:59:59Z", false), ("2026-11-01T00:00:00Z", true),
            ("2040-01-01T00:00:00Z", true), ("2069-01-01T00:00:00Z", false),
        ]
    )
    func certificateTime(local: String, isPlausible: Bool) throws {
        let now = WallTime(try Date(local, strategy: .iso8601))
        let instant = ContinuousClock.now
        let clock = ServerClock(localTime: { now }, elapsed: { instant })
        let released = WallTime(milliseconds: 1_793_491_200_000)
        #expect(clock.certificateTime(released: released) == (isPlausible ? .system : .any))
        clock.learn(dateHeader: "Wed, 02 Dec 2026 03:04:05 GMT")
        let server = WallTime(try Date("2026-12-02T03:04:05Z", strategy: .iso8601)) + .milliseconds(500)
        #expect(clock.certificateTime(released: released) == (isPlausible ? .system : .at(server)))
    }

    @Test("Once learned, it goes on with the monotonic clock: steps of the system's clock disturb nothing")
    func steps() {
        let local = Mutex(WallTime(milliseconds: 1_767_000_000_000))
        let elapsed = Mutex(ContinuousClock.now)
        let clock = ServerClock(localTime: { local.withLock { $0 } }, elapsed: { elapsed.withLock { $0 } })
        clock.learn(dateHeader: "Fri, 02 Jan 2026 03:04:05 GMT")
        elapsed.withLock { $0 += .seconds(60) }
        for step in [Duration.seconds(-1_767_000_000), .seconds(86_400 * 365 * 43), .seconds(3_600)] {
            local.withLock { $0 = $0 + step }
            #expect(clock.now().iso8601Seconds == "2026-01-02T03:05:05Z")
            #expect((clock.offset ?? .zero) == clock.now() - local.withLock { $0 })
        }
        // That the server's clock is still the same is no news, although the system's has jumped.
        #expect(!clock.learn(dateHeader: "Fri, 02 Jan 2026 03:05:05 GMT"))
    }
}
