/// A text that must not be seen. It prints as `<redacted>` and cannot be encoded.
package struct Secret: Sendable, Equatable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The text itself, for signing only.
    let text: String

    /// Takes the text as it is.
    package init(_ text: String) { self.text = text }

    /// `<redacted>`
    package var description: String { "<redacted>" }
    /// `<redacted>`
    package var debugDescription: String { "<redacted>" }
    /// Empty: without it `dump` would print the text.
    package var customMirror: Mirror { Mirror(self, children: []) }
}
