/// What a value should have been: the end of the sentence "expected …".
package struct Expectation: Error, Sendable, Hashable {
    /// `a duration such as "15m"`
    package let text: String

    /// Takes the words after “expected”.
    package init(_ text: String) { self.text = text }
}
