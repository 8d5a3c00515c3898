import Agent
import Testing

@Suite("Mistakes in the configuration")
struct ConfigurationMistakeTests {
    /// A text and the one mistake in it.
    private static let table: [(String, String)] = [
        (
            "gateway = \"a b\"",
            "1: gateway = \"a b\": expected 1 to 64 letters, digits, dots, underscores and hyphens, such as \"gw1\""
        ),
        ("[retry]\nmax = \"15x\"", "2: [retry] max = \"15x\": expected a duration such as \"15m\""),
        ("[retry]\nmax = 15", "2: [retry] max = 15: expected a duration such as \"15m\""),
        ("[retry]\nmax = \"1s\"", "2: [retry] max = \"1s\": expected at least retry.min, which is \"2s\""),
        ("[retry]\nmin = \"16m\"", "2: [retry] min = \"16m\": expected at most retry.max, which is \"15m\""),
        ("[spool]\nquota = 4", "2: [spool] quota = 4: expected a size such as \"4GiB\""),
        ("[spool]\nquota = \"1KiB\"", "2: [spool] quota = \"1KiB\": expected a size of 1MiB or more"),
        (
            "[spool]\npath = \"spool.db\"",
            "2: [spool] path = \"spool.db\": expected an absolute path such as \"/etc/otaferry/file\""
        ),
        ("[upload]\nconcurrent = \"2\"", "2: [upload] concurrent = \"2\": expected a whole number of 1 to 4"),
        ("[upload]\nconcurrent = 2.0", "2: [upload] concurrent = 2.0: expected a whole number of 1 to 4"),
        ("[broker]\nfile-transfer = 1", "2: [broker] file-transfer = 1: expected true or false, without quotes"),
        (
            "[log]\nformat = \"xml\"",
            "2: [log] format = \"xml\": expected one of \"auto\", \"journal\", \"text\", \"json\""
        ),
        ("[quota]\ncalls-per-second = 0", "2: [quota] calls-per-second = 0: expected a number above 0, up to 10"),
        (
            "[cloud]\nsignature = \"v3\"\nformat = \"xml\"",
            "3: [cloud] format = \"xml\": expected \"json\" with cloud.signature = \"v3\", which names no format"
        ),
        (
            "[cloud]\nupload-hosts = \"a.example\"",
            "2: [cloud] upload-hosts = \"a.example\": expected a list of host names such as [\"*.aliyuncs.com\"]"
        ),
        (
            "[broker]\nurl = \"mqtt://joe:secret@host\"",
            "2: [broker] url = \"mqtt://***@host\": expected a URL without user name and password; they go into broker.username and broker.password-file"
        ),
        (
            "[upload]\nwindow = \"07:00-07:00\"",
            "2: [upload] window = \"07:00-07:00\": expected a window whose ends differ (without a window uploads start at any time)"
        ),
        ("[upload]\nwindow = 07:00:00", "2: [upload] window = (a time): expected a window such as \"22:00-06:00\""),
        (
            "[broker]\nca-file = \"/nowhere/ca.pem\"",
            "2: [broker] ca-file = \"/nowhere/ca.pem\": expected a file that can be read: No such file or directory"
        ),
        (
            "[broker]\npassword-file = \"/etc\"",
            "2: [broker] password-file = \"/etc\": expected a file that can be read: not a regular file"
        ),
        (
            "[broker]\ncert-file = \"/etc/passwd\"",
            "2: [broker] cert-file = \"/etc/passwd\": expected broker.key-file beside it"
        ),
        (
            "[broker]\nkey-file = \"/etc/passwd\"",
            "2: [broker] key-file = \"/etc/passwd\": expected broker.cert-file beside it"
        ),
        ("retry = 3", "1: retry = 3: expected a table [retry]"),
        ("[product]\nalias = \"a\"", "1: product = {…}: expected tables [[product]], in two pairs of brackets"),
        ("[[product]]\nalias = \"a\"", "1: [[product]] product-key: expected a value: a product needs its product-key"),
        (
            "[retry]\nmax = \"1m\nmin = \"2s\"",
            "2:10: not valid TOML: a quote is not closed, or a string has a control character"
        ),
        ("[retry]\nmax = \"1m\"\nmax = \"2m\"", "3:7: not valid TOML: "),
        (
            "[retry]\n  max  =  soon enough ",
            "2:11: not valid TOML: Error while parsing value: could not determine value type; text stands in quotes: max = \"soon enough\""
        ),
        ("[retry]\nmaxx = \"1m\"", "2: [retry] maxx = \"1m\": unknown key; did you mean \"retry.max\"?"),
        ("[borker]\nurl = \"x\"", "1: [borker]: unknown table; did you mean [broker]?"),
        ("[[products]]\nalias = \"x\"", "1: [products]: unknown table; did you mean [[product]]?"),
        ("zzzzzz = 1", "1: zzzzzz = 1: unknown key"),
        (
            "[broker]\npassword = \"hunter2\"",
            "2: [broker] password = \"***\": unknown key; did you mean \"broker.password-file\"?"
        ),
        ("[cloud]\naccess_key_secret = \"hunter4\"", "2: [cloud] access_key_secret = \"***\": unknown key"),
    ]

    @Test("Each is told with file, line, key, value and what was expected", arguments: table)
    func single(text: String, expected: String) throws {
        let found = try mistakes(text)
        #expect(found.count == 1, "\(found)")
        if expected.hasSuffix(": ") {
            #expect(found.first?.hasPrefix("otaferry.toml:" + expected) == true, "\(found)")
        } else {
            #expect(found.first == "otaferry.toml:" + expected)
        }
    }

    @Test("All of all sources are told at once")
    func allAtOnce() throws {
        let directory = try ConfigurationDirectory()
        try directory.write("[retry]\nmin = \"x\"\nmax = \"y\"\n[spool]\nkwota = 1")
        try directory.write("not toml", to: "otaferry.d/1.toml")
        try directory.write("[[product]]\nrule = 'v(.*)'", to: "otaferry.d/2.toml")
        let found = directory.mistakes(["retry.max=z", "upload.concurrent=many", "nonsense", "product.alias=a"])
        #expect(
            found.map { $0.prefix { $0 != "=" } } == [
                "otaferry.toml:2: [retry] min ", "otaferry.toml:3: [retry] max ", "otaferry.toml:5: [spool] kwota ",
                found[3].prefix { $0 != "=" },
                "otaferry.d/2.toml:1: [[product]] alias: expected a value: a product needs its alias",
                "otaferry.d/2.toml:1: [[product]] product-key: expected a value: a product needs its product-key",
                "otaferry.d/2.toml:2: [[product]] rule ", "--set retry.max ", "--set upload.concurrent ",
                "--set \"nonsense\": expected key", "--set product.alias ",
            ]
        )
        #expect(found[3].hasPrefix("otaferry.d/1.toml:1:"))
    }

    @Test("A value that is not understood is held against no other")
    func comparesWhatIsKnown() throws {
        let directory = try ConfigurationDirectory()
        try directory.write("[retry]\nmin = \"20m\"\nmax = \"25x\"\n")
        #expect(directory.mistakes() == ["otaferry.toml:3: [retry] max = \"25x\": expected a duration such as \"15m\""])
        try directory.write("[retry]\nmin = \"20m\"\nmax = \"10m\"\n[upload]\nconcurrent = 9\n")
        #expect(directory.mistakes().count == 2)
    }

    @Test("Two products of one alias are a mistake, also in two files")
    func duplicateAlias() throws {
        let directory = try ConfigurationDirectory()
        let product = "[[product]]\nalias = \"a\"\nproduct-key = \"a1AbCdEfGhI\""
        try directory.write(product)
        try directory.write("\n" + product, to: "otaferry.d/1.toml")
        let once = directory.mistakes()
        try directory.write("\n" + product.replacing("a1AbCdEfGhI", with: "short"), to: "otaferry.d/1.toml")
        #expect(directory.mistakes().count == 2)
        #expect(
            once == [
                "otaferry.d/1.toml:3: [[product]] alias = \"a\": expected an alias that no other product has; "
                    + "the one in otaferry.toml:1 has it too"
            ]
        )
    }

    @Test(
        "What looks like a secret is written nowhere, with quotes or without",
        arguments: ["password = \"hunter2\"", "password = hunter2", "proxy_pass = 'hunter2'", "api-key = hunter2"]
    )
    func secrets(line: String) throws {
        let mistakes = try mistakes("[broker]\n\(line)")
        #expect(mistakes.count == 1)
        #expect(mistakes.allSatisfy { !$0.contains("hunter2") && $0.contains("***") }, "\(mistakes)")
    }

    @Test(
        "A misspelled key gets the nearest key as a suggestion",
        arguments: [
            ("upload.rate", "upload.rate-limit"), ("upload.stall", "upload.stall-timeout"),
            ("retry.maks", "retry.max"), ("broker.passwordfile", "broker.password-file"),
            ("broker.password_file", "broker.password-file"), ("region", "cloud.region"),
            ("cloud.instanceid", "cloud.instance-id"), ("uplaod.window", "upload.window"),
            ("credentials.profile", "cloud.credentials.profile"), ("calls-per-second", "quota.calls-per-second"),
        ]
    )
    func suggestions(key: String, nearest: String) throws {
        #expect(
            try mistakes("", set: ["\(key)=1"]) == ["--set \(key) = \"1\": unknown key; did you mean \"\(nearest)\"?"]
        )
    }

    @Test("A file that is not text, or a directory, is told so")
    func notText() throws {
        #expect(try mistakes("a\0b") == ["otaferry.toml: the file cannot be read: not text: it contains a zero byte"])
    }

    @Test("Untrusted text is cut and escaped")
    func untrusted() throws {
        let found = try mistakes("gateway = \"\\u001B[31m\(String(repeating: "x", count: 200))\"")
        #expect(found.count == 1)
        #expect(found.allSatisfy { !$0.contains("\u{1B}") && $0.count < 250 })
    }

    @Test("Line numbers survive comments, Windows line ends and quoted keys")
    func lines() throws {
        #expect(
            try mistakes("# x\r\n\r\n[ retry ] # y\r\n  \"max\" = 1\r\n").first?.hasPrefix("otaferry.toml:4:") == true
        )
        #expect(try mistakes("\nretry.max = 1\n").first?.hasPrefix("otaferry.toml:2:") == true)
        #expect(try mistakes("\n\nretry = { max = 1 }\n").first?.hasPrefix("otaferry.toml:3:") == true)
    }
}
