import ArgumentParser
import FerryCore
import Testing

@testable import otaferry

@Suite("What a push is called, and what it refuses")
struct PushOrderTests {
    private func order(_ version: String = "1.4.2") throws -> PushOrder {
        PushOrder(product: try #require(Name("pumpctl")), version: try #require(Name(version)))
    }

    private func part(_ name: String, _ byte: UInt8) -> PushOrder.Part {
        (name, Digest(bytes: Array(repeating: byte, count: 32)))
    }

    @Test("The package's id is that of its content, whatever the order of the files")
    func packageID() throws {
        let (boot, root) = (part("boot.bin", 1), part("root.bin", 2))
        let id = try order().packageID(of: [boot, root])
        #expect(try order().packageID(of: [root, boot]) == id)
        #expect(try order("1.4.3").packageID(of: [boot, root]) != id)
        #expect(try order().packageID(of: [boot, part("root.bin", 3)]) != id)
        #expect(try order().packageID(of: [boot, part("other.bin", 2)]) != id)
    }

    @Test("The same bytes twice in a package are two transfers")
    func transferID() throws {
        let package = try #require(Name("p"))
        let order = try order()
        #expect(
            order.transferID(of: part("a.bin", 1), package: package)
                != order.transferID(of: part("b.bin", 1), package: package)
        )
        #expect(order.transferID(of: part("a.bin", 1)) == order.transferID(of: part("b.bin", 1)))
    }

    @Test("Names that the cloud would refuse in a package are refused by name")
    func names() {
        let long = String(repeating: "x", count: 29) + ".bin"
        #expect(PushOrder.problem(withNames: [long]) == nil)
        #expect(PushOrder.problem(withNames: ["a.bin", String(long.dropFirst())]) == nil)
        #expect(PushOrder.problem(withNames: ["a.bin", long])?.contains("33 characters") == true)
        #expect(PushOrder.problem(withNames: ["a.bin", "b.bin", "a.bin"])?.contains("a.bin") == true)
        let many = (1...21).map { "\($0).bin" }
        #expect(PushOrder.problem(withNames: many)?.contains("at most 20") == true)
        #expect(PushOrder.problem(withNames: Array(many.dropLast())) == nil)
    }

    @Test(
        "What the cloud would refuse of one file is found before a byte is sent",
        arguments: [
            ("a.bin", 0, "empty"), ("a.bin", CloudLimits.fileBytes + 1, "at most"), ("a.exe", 5, ".zip"),
            ("a:b.bin", 5, "\"a:b.bin\" must not hold"), ("a\nb.bin", 5, "$'a\\nb.bin' must not hold"),
        ] as [(String, Int64, String)]
    )
    func refuses(name: String, size: Int64, words: String) {
        #expect(
            PushOrder.problem(with: ["name": .string(name), "size": .integer(size)], size: size)?.contains(words)
                == true
        )
    }

    @Test(
        "The command line says what does not go together",
        arguments: [
            ["a.bin", "--detach", "--until", "uploading"], ["a.bin", "--files", "2"], ["a.bin", "--package", "p"],
            ["a.bin", "--files", "21", "--package", "p"], ["a.bin", "b.bin", "--files", "3"],
            ["a.bin", "b.bin", "--signature", "s"], ["a.bin", "--sign", "k", "--signature", "s"],
            ["a.bin", "--until", "held"], ["a.bin", "--time-limit", "soon"], ["a.bin", "--cert-file", "c"], [],
        ]
    )
    func usage(words: [String]) {
        #expect(throws: (any Error).self) { try Push.parse(words + ["--product", "p", "--version", "1"]) }
    }

    @Test("The command line takes what goes together")
    func takes() throws {
        let push = try Push.parse([
            "a.bin", "--product", "p", "b.bin", "--version", "1", "--package", "spring", "--files", "2", "--until",
            "stored",
            "--detach", "--sign", "key",
        ])
        #expect(push.files == ["a.bin", "b.bin"])
    }
}
