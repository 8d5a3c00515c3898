import Glibc
import Testing

@testable import Agent

@Suite("Code that ran once")
struct StartupCodeTests {
    @Test("The code of files is let go of: no data, nothing the kernel gave, nothing without a file")
    func ranges() {
        let maps = """
            55d0c6a00000-55d0c7f80000 r-xp 00000000 08:01 135522                     /usr/bin/otaferry
            55d0c7f80000-55d0c8008000 r--p 0157f000 08:01 135522                     /usr/bin/otaferry
            55d0c8008000-55d0c8300000 rw-p 01607000 08:01 135522                     /usr/bin/otaferry
            55d0c9000000-55d0c9100000 rw-p 00000000 00:00 0                          [heap]
            7f1200000000-7f1200010000 r-xp 00000000 00:00 0
            7f1234000000-7f1234100000 r-xp 00028000 08:01 4711                       /opt/with a space/libc.so.6 (deleted)
            7ffd12340000-7ffd12342000 r-xp 00000000 00:00 0                          [vdso]
            ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
            nonsense

            """
        #expect(
            StartupCode.ranges(of: maps) == [0x55d0_c6a0_0000..<0x55d0_c7f8_0000, 0x7f12_3400_0000..<0x7f12_3410_0000]
        )
    }

    @Test("The program goes on without noticing")
    func goesOn() throws {
        for _ in 0..<10 {
            StartupCode.release()
            #expect((0..<1_000).map { String($0, radix: 7) }.joined().count > 3_000)
        }
    }
}
