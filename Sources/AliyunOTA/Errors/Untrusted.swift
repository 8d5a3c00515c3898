/// Text from outside, made fit for a message: cut to 80 characters, control characters escaped, no queries of URLs.
enum Untrusted {
    private static let limit = 80

    static func text(_ text: String) -> String {
        var result = ""
        var count = 0
        var isInQuery = false
        for scalar in text.unicodeScalars {
            if isInQuery {
                guard scalar == " " || scalar == "\"" || scalar == "'" else { continue }
                isInQuery = false
            }
            if count == limit { return result + "…" }
            count += 1
            if scalar == "?" {
                isInQuery = true
                result.unicodeScalars.append(scalar)
            } else if isPrintable(scalar) {
                result.unicodeScalars.append(scalar)
            } else {
                result += "\\u{\(String(scalar.value, radix: 16))}"
            }
        }
        return result
    }

    private static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        // Control characters, and those that reorder or hide what is around them.
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: false
        default: true
        }
    }
}
