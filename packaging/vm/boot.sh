# shellcheck shell=bash
# Boots a virtual machine under software emulation and follows what it says. To be sourced.

# Starts it: the folder with disk.img, kernel and initrd, and words for the kernel's command line. Its process is in
# vm_process, its console in FOLDER/console.log, what the test inside says in FOLDER/test.log.
vm_boot() {
    local folder=$1
    shift
    : >"$folder/test.log"
    qemu-system-x86_64 -machine q35 -accel tcg,thread=multi -cpu max -smp 2 -m 1024 -nodefaults -display none \
        -no-reboot -nic none -kernel "$folder/kernel" -initrd "$folder/initrd" \
        -append "root=/dev/vda rw console=ttyS0 quiet systemd.show_status=0 $*" \
        -drive "file=$folder/disk.img,format=raw,if=virtio,cache=writeback" \
        -device virtio-rng-pci \
        -serial "file:$folder/console.log" -serial "file:$folder/test.log" \
        </dev/null >"$folder/qemu.log" 2>&1 &
    vm_process=$!
}

# Prints what the test inside says until it says a word at the beginning of a line; fails when it says FAILED, when the
# machine ends or after so many seconds: the folder, the word, seconds.
vm_follow() {
    local folder=$1 word=$2 end=$((SECONDS + $3)) shown=0 count
    while true; do
        count=$(wc -l <"$folder/test.log")
        if ((count > shown)); then
            sed -n "$((shown + 1)),${count}p" "$folder/test.log" | tr -d '\r' | sed 's/^/  /'
            shown=$count
        fi
        ! grep -q '^FAILED' "$folder/test.log" || return 1
        ! grep -q "^$word" "$folder/test.log" || return 0
        if ! kill -0 "$vm_process" 2>/dev/null || ((SECONDS >= end)); then
            echo "The machine did not come to $word. Its last words:" >&2
            tail -n 20 "$folder/console.log" "$folder/qemu.log" >&2
            return 1
        fi
        sleep 0.5
    done
}

# Cuts its power.
vm_cut() {
    kill -KILL "$vm_process" 2>/dev/null || true
    wait "$vm_process" 2>/dev/null || true
}
