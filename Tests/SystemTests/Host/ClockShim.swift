import Foundation
import TestSupport

/// Shifts the wall clock of a program, and nothing else: a small library that is loaded before the others. The shift is a
/// number in a file that both have mapped, so it may change while the program runs.
struct ClockShim {
    private let folder: TemporaryFolder
    private let file: String
    private let library: String

    private static let source = """
        #define _GNU_SOURCE
        #include <fcntl.h>
        #include <stdlib.h>
        #include <sys/mman.h>
        #include <sys/syscall.h>
        #include <sys/time.h>
        #include <time.h>
        #include <unistd.h>

        static volatile long long *shift;

        __attribute__((constructor)) static void begin(void) {
            const char *path = getenv("CLOCK_SHIFT");
            int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
            if (file < 0) return;
            void *page = mmap(0, sizeof *shift, PROT_READ, MAP_SHARED, file, 0);
            close(file);
            if (page != MAP_FAILED) shift = page;
        }

        int clock_gettime(clockid_t clock, struct timespec *now) {
            int result = syscall(SYS_clock_gettime, clock, now);
            if (result == 0 && shift && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
                now->tv_sec += *shift;
            return result;
        }

        int gettimeofday(struct timeval *now, void *zone) {
            struct timespec precise;
            (void)zone;
            clock_gettime(CLOCK_REALTIME, &precise);
            now->tv_sec = precise.tv_sec;
            now->tv_usec = precise.tv_nsec / 1000;
            return 0;
        }

        time_t time(time_t *result) {
            struct timespec now;
            clock_gettime(CLOCK_REALTIME, &now);
            if (result) *result = now.tv_sec;
            return now.tv_sec;
        }

        """

    init() async throws {
        folder = try TemporaryFolder("clock")
        let source = try folder.write(Self.source, to: "shim.c")
        library = folder.file("shim.so")
        file = try folder.write(String(repeating: "\0", count: 8), to: "shift")
        let compiler = try await ProgramRunner.run("cc", ["-O1", "-shared", "-fPIC", "-o", library, source])
        guard compiler.ending == .exited(0) else { throw TestSupportError(compiler.text(.errors)) }
    }

    /// For the program.
    var environment: [String: String] { ["LD_PRELOAD": library, "CLOCK_SHIFT": file] }

    /// Sets how many seconds the program's clock is ahead.
    func shift(by seconds: Int64) throws {
        let handle = try FileHandle(forUpdating: URL(fileURLWithPath: file))
        defer { try? handle.close() }
        try handle.write(contentsOf: withUnsafeBytes(of: seconds) { Data($0) })
    }

    /// Sets it so that the program is in that year.
    func move(toYear year: Int64) throws {
        try shift(by: (year - 1_970) * 31_556_952 + 86_400 - Int64(Date().timeIntervalSince1970))
    }
}
