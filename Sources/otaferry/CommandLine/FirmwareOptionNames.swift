/// What the members of `firmware` (`docs/mqtt-api.md`, `init`) are called on the command line.
enum FirmwareOptionNames {
    /// The option that says each member, for `push` and `describe`.
    static let options = [
        "product": "--product", "version": "--version", "name": "--name", "module": "--module",
        "description": "--description", "type": "--type", "source_version": "--source-version",
        "priority": "--priority", "verify": "--verify", "custom": "--custom", "signature": "--signature",
        "package": "--package",
    ]

    private static let prefix = "firmware."

    /// A sentence of the agent with the options that its reader has given: `firmware.description is longer …` becomes
    /// `--description is longer …`.
    static func inOptions(_ text: String) -> String {
        var result = ""
        var rest = text[...]
        while let found = rest.firstRange(of: prefix) {
            let member = rest[found.upperBound...].prefix(while: isInName)
            let isWord = (rest[..<found.lowerBound].last ?? result.last).map { !isInName($0) } ?? true
            result += rest[..<found.lowerBound]
            if isWord, let option = options[String(member)] {
                result += option
                rest = rest[member.endIndex...]
            } else {
                result += prefix
                rest = rest[found.upperBound...]
            }
        }
        return result + rest
    }

    /// Also what stands in names of files, so that one called `firmware.version.bin` stays as it is.
    private static func isInName(_ character: Character) -> Bool {
        character.isLetter || character.isNumber || ["_", ".", "-", "/"].contains(character)
    }
}
