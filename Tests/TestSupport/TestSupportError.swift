/// What a test could not do; its text is all there is to it.
package struct TestSupportError: Error, Sendable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}
