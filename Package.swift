// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]

let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")

func module(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
    .target(name: name, dependencies: dependencies, exclude: exclude, swiftSettings: strict)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], resources: [Resource] = []) -> Target {
    .testTarget(name: name, dependencies: dependencies, resources: resources, swiftSettings: strict)
}

let package = Package(
    name: "otaferry",
    products: [
        .executable(name: "otaferry", targets: ["otaferry"]),
        .executable(name: "otaferry-cloud", targets: ["otaferry-cloud"]),
        .library(name: "CloudSimulator", targets: ["CloudSimulator"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/LebJe/TOMLKit", from: "0.6.0"),
        .package(url: "https://github.com/swhitty/FlyingFox", from: "0.27.0"),
    ],
    targets: [
        // The C libraries of the distribution; exactly one Swift module imports each.
        .systemLibrary(name: "CLinux"),
        .systemLibrary(name: "CMosquitto", pkgConfig: "libmosquitto", providers: [.apt(["libmosquitto-dev"])]),
        .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .systemLibrary(name: "CExpat", pkgConfig: "expat", providers: [.apt(["libexpat1-dev"])]),

        .target(
            name: "CGatherFile",
            dependencies: ["CSQLite"],
            cSettings: [.unsafeFlags(["-Wall", "-Wextra", "-Werror"])]
        ),

        .target(name: "CChecksum", cSettings: [.unsafeFlags(["-Wall", "-Wextra", "-Werror"])]),

        .target(
            name: "CRowReader",
            dependencies: ["CSQLite", "CChecksum", "CGatherFile"],
            cSettings: [.unsafeFlags(["-Wall", "-Wextra", "-Werror"])]
        ),

        // Agent → (Spool, Broker, AliyunOTA) → FerryCore; the three in the middle do not know each other.
        module("FerryCore", ["CChecksum"]),
        // Threads serves the three: each C library gets one thread of its own.
        module("Threads", ["CLinux"]),
        module("Spool", ["FerryCore", "Threads", "CSQLite", "CChecksum", "CGatherFile", "CRowReader"]),
        module("Broker", ["FerryCore", "Threads", "CMosquitto", logging]),
        module("AliyunOTA", ["FerryCore", "Threads", "CCurl", "CExpat", crypto, logging]),
        module(
            "Agent",
            [
                "FerryCore", "Threads", "Spool", "Broker", "AliyunOTA", crypto, logging,
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
                .product(name: "TOMLKit", package: "TOMLKit"),
            ]
        ),
        .executableTarget(
            name: "otaferry",
            dependencies: ["Agent", "Broker", "FerryCore", "Threads", crypto, logging, argumentParser],
            swiftSettings: strict
        ),

        // The simulated cloud shares no code with the agent's cloud side, so that one checks the other.
        module(
            "CloudSimulator",
            [
                crypto, .product(name: "FlyingFox", package: "FlyingFox"),
                .product(name: "FlyingSocks", package: "FlyingFox"),
            ]
        ),
        .executableTarget(
            name: "otaferry-cloud",
            dependencies: ["CloudSimulator", argumentParser],
            swiftSettings: strict
        ),

        // A fleet behind one account, in virtual time, with the agent's own policy; `make fleet` prints it.
        .target(
            name: "FleetSimulation",
            dependencies: ["FerryCore"],
            path: "Tests/FleetSimulation",
            swiftSettings: strict
        ),
        .executableTarget(
            name: "fleet",
            dependencies: ["FleetSimulation", "FerryCore"],
            path: "Benchmarks/Fleet",
            swiftSettings: strict
        ),

        .target(
            name: "TestSupport",
            dependencies: ["CloudSimulator", "FerryCore"],
            path: "Tests/TestSupport",
            exclude: ["Network/tls_peer.py"],
            swiftSettings: strict
        ),
        tests("FerryCoreTests", ["FerryCore", "FleetSimulation", "TestSupport", crypto]),
        .testTarget(
            name: "SpoolTests",
            dependencies: ["Spool", "FerryCore", "TestSupport", "CSQLite", crypto],
            swiftSettings: strict,
            // Tests stand before these of the C library; without this SQLite does not see its own.
            linkerSettings: [
                .unsafeFlags(
                    ["fdatasync", "pwrite", "pwrite64", "pwritev"].flatMap {
                        ["-Xlinker", "--export-dynamic-symbol=\($0)"]
                    }
                )
            ]
        ),
        tests("BrokerTests", ["Broker", "FerryCore", "TestSupport", "Threads"]),
        tests("AliyunOTATests", ["AliyunOTA", "FerryCore", "TestSupport", "Threads"]),
        tests(
            "AgentTests",
            ["Agent", "AliyunOTA", "Broker", "FerryCore", "Spool", "TestSupport", "Threads", crypto, logging]
        ),
        tests("CommandTests", ["otaferry", "Agent", "Broker", "FerryCore", "TestSupport", argumentParser]),
        tests("CloudSimulatorTests", ["CloudSimulator", "TestSupport", crypto]),
        tests(
            "SystemTests",
            ["AliyunOTA", "CloudSimulator", "FerryCore", "TestSupport", "otaferry", "otaferry-cloud", crypto]
        ),
    ],
    swiftLanguageModes: [.v6]
)
