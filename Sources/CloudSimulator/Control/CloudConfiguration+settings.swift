import Foundation

extension CloudConfiguration {
    /// A setting that can be changed while the cloud runs.
    private struct Setting: Sendable {
        let name: String
        /// What fits.
        let expectation: String
        let read: @Sendable (CloudConfiguration) -> Any
        /// False where the value does not fit.
        let write: @Sendable (inout CloudConfiguration, Any) -> Bool

        static func seconds(
            _ name: String,
            _ path: any WritableKeyPath<CloudConfiguration, Duration> & Sendable,
            from lowest: Double = 0
        ) -> Setting {
            Setting(name: name, expectation: "a number of seconds" + (lowest < 0 ? "" : ", 0 or more")) {
                $0[keyPath: path].interval
            } write: { configuration, value in
                guard let number = number(value), (lowest..<latest).contains(number) else { return false }
                configuration[keyPath: path] = .seconds(number)
                return true
            }
        }

        static func text(
            _ name: String,
            _ expectation: String,
            _ path: any WritableKeyPath<CloudConfiguration, String?> & Sendable
        ) -> Setting {
            Setting(name: name, expectation: expectation) {
                $0[keyPath: path] ?? ""
            } write: { configuration, value in
                guard let text = value as? String else { return false }
                configuration[keyPath: path] = text.isEmpty ? nil : text
                return true
            }
        }

        static func count(
            _ name: String,
            _ expectation: String,
            read: @escaping @Sendable (CloudConfiguration) -> Int64,
            write: @escaping @Sendable (inout CloudConfiguration, Int64) -> Void
        ) -> Setting {
            Setting(name: name, expectation: expectation) {
                read($0)
            } write: { configuration, value in
                guard let number = number(value), (0...1e15).contains(number), number == number.rounded() else {
                    return false
                }
                write(&configuration, Int64(number))
                return true
            }
        }

        /// Later than this is a mistake.
        static let latest = 1e10

        /// A JSON number.
        private static func number(_ value: Any) -> Double? {
            guard let number = value as? NSNumber else { return nil }
            return number.doubleValue
        }
    }

    private static let settings: [Setting] = [
        .seconds("clock-offset", \.clockOffset, from: -Setting.latest),
        .seconds("clock-tolerance", \.clockTolerance),
        .seconds("ticket-life", \.ticketLife),
        .seconds("object-life", \.objectLife),
        .seconds("list-delay", \.listingDelay),
        .count("calls-per-second", "a number of calls, 0 for no limit") {
            Int64($0.callsPerSecond ?? 0)
        } write: {
            $0.callsPerSecond = $1 == 0 ? nil : Int($1)
        },
        .count("size-maximum", "a number of bytes") {
            $0.sizeMaximum
        } write: {
            $0.sizeMaximum = $1
        },
        .count("packages-maximum", "a number of packages") {
            Int64($0.packagesMaximum)
        } write: {
            $0.packagesMaximum = Int($1)
        },
        .text("instance-id", "a text, empty for none", \.instanceID),
        .text("ticket-host", "a URL without a path, empty for the simulator itself", \.ticketHost),
        Setting(name: "expiry-check", expectation: "form or whole-request") {
            $0.expiryCheck == .form ? "form" : "whole-request"
        } write: { configuration, value in
            switch value as? String {
            case "form": configuration.expiryCheck = .form
            case "whole-request": configuration.expiryCheck = .wholeRequest
            default: return false
            }
            return true
        },
    ]

    /// The names of the settings that can be changed.
    package static var settingNames: [String] { settings.map(\.name) }

    /// The settings for people and programs.
    var members: [String: Any] {
        Dictionary(uniqueKeysWithValues: Self.settings.map { ($0.name, $0.read(self)) })
    }

    /// Sets one by its name.
    mutating func set(_ name: String, to value: Any) throws {
        guard let setting = Self.settings.first(where: { $0.name == name }) else {
            let names = Self.settingNames.joined(separator: ", ")
            throw ControlDesk.Refusal(status: 400, text: "There is no setting \(name); there are \(names)")
        }
        guard setting.write(&self, value) else {
            throw ControlDesk.Refusal(status: 400, text: "\(name) is \(setting.expectation)")
        }
    }

    /// Sets what the options of the command line say, by the names of the settings.
    ///
    /// - Returns: what is wrong with them, a sentence each.
    package mutating func set(options: [(name: String, value: Double)]) -> [String] {
        options.compactMap { name, value in
            guard let setting = Self.settings.first(where: { $0.name == name }) else { return nil }
            return setting.write(&self, NSNumber(value: value)) ? nil : "--\(name) is \(setting.expectation)"
        }
    }
}
