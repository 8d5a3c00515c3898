/// Finds the version in a file name by a regular expression with a group `(?<version>…)`.
package struct VersionRule: Sendable, Hashable, CustomStringConvertible {
    /// The expression as written. `Regex` is not Sendable, so it is compiled again where it is used.
    package let description: String

    /// Takes an expression that compiles and names the group.
    package init(parsing text: String) throws(Expectation) {
        let expression: Regex<AnyRegexOutput>
        do {
            expression = try Regex(text)
        } catch {
            let reason = ConfigurationText.shortened("\(error)")
            throw Expectation("a regular expression; this one cannot be read: \(reason)")
        }
        guard expression.contains(captureNamed: "version") else {
            throw Expectation("a regular expression with a group (?<version>…)")
        }
        description = text
    }

    /// The version that the file name contains; nil where the rule does not match.
    package func version(in fileName: String) -> String? {
        // The text has compiled before; a failure now would mean the same as no match.
        guard let expression = try? Regex(description), let match = try? expression.firstMatch(in: fileName),
            let version = match["version"]?.substring, !version.isEmpty
        else { return nil }
        return String(version)
    }
}
