/// A text that must not be seen. It prints as `<redacted>` and cannot be encoded.
package struct Secret: Sendable, Equatable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The text itself, for signing only.
    let text: String

    package init(_ text: String) { self.text = text }

    package var description: String { "<redacted>" }
    package var debugDescription: String { "<redacted>" }
    // Without it `dump` would print the text.
    package var customMirror: Mirror { Mirror(self, children: []) }
}
