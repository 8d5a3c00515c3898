internal import CLinux

/// What the kernel knows of the system's clock.
package enum KernelClock {
    /// Whether a time service keeps it; nil where the kernel does not say, as in some containers.
    package static var isSynchronized: Bool? {
        switch otaferry_clock_is_synchronized() {
        case 0: false
        case 1: true
        default: nil
        }
    }
}
