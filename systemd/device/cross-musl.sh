# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154 # a part of `cross`, with its variables and functions
#
# The producer that runs beside a vendor's library. That is built for the device's own libc, musl, so
# the program that loads it has to be as well: musl and libstdc++ from Debian's sources, for Debian's
# compiler and its libgcc. Of musl only headers, start files and names are used: the device's own takes
# its place when the program is started, by the interpreter's path.

# Where the device has its musl. NanoKVM's is of a compiler for the C906 with its vector unit; any
# program for rv64gc runs with it.
case $arch in
  riscv64) interpreter=/lib/ld-musl-riscv64v0p7_xthead.so.1 ;;
  arm64) interpreter=/lib/ld-musl-aarch64.so.1 ;;
esac

make_musl() {
  fetch musl
  fresh musl
  CC=$triple-gcc CROSS_COMPILE="$triple-" "$sources/musl/configure" --target="${triple%-gnu}-musl" \
    --prefix="$prefix" --syslibdir="$prefix/lib" --enable-wrapper=no
  make -j"$jobs" install
  # As tests under qemu look for it.
  mkdir -p "$prefix/root/lib"
  cp "$prefix/lib/libc.so" "$prefix/root$interpreter"
}

# Spec files that make it the compiler's libc.
make_specs() {
  # The kernel's interface is not musl's to install; /usr/include as a whole is another libc's.
  ln -sfn "/usr/$triple/include/linux" "/usr/$triple/include/asm" "/usr/$triple/include/asm-generic" \
    "$prefix/include/"
  # -pthread asks for it; the shared one is glibc's.
  ln -sfn "$("$triple-gcc" -print-file-name=libatomic.a)" "$prefix/lib/libatomic.a"
  # C++ headers have to come before C's, which their #include_next looks for.
  local cxx_folders="$prefix/include/c++/12 -isystem $prefix/include/c++/12/${triple%-gnu}-musl"
  sh "$sources/musl/tools/musl-gcc.specs.sh" "$prefix/include" "$prefix/lib" "$interpreter" \
    >"$prefix/c.specs"
  sh "$sources/musl/tools/musl-gcc.specs.sh" "$cxx_folders -isystem $prefix/include" "$prefix/lib" \
    "$interpreter" >"$prefix/c++.specs"
  "${cc[@]}" -Os -fPIC -Wall -Wextra -c "$kit/dl_find_object.c" -o "$prefix/lib/dl_find_object.o"
}

# Of the compiler's source only what belongs to libstdc++; the compiler itself is Debian's.
unpack_gcc() {
  fetch gcc-12
  [[ ! -d $sources/libstdc++ ]] || return 0
  rm -rf "$sources/.libstdc++"
  mkdir "$sources/.libstdc++"
  tar -xJf "$sources"/gcc-12/gcc-*.tar.xz -C "$sources/.libstdc++" --strip-components=1 --wildcards \
    --exclude='*/testsuite/[0-9a-z]*' 'gcc-*/libstdc++-v3' 'gcc-*/libgcc' 'gcc-*/libiberty' \
    'gcc-*/config' 'gcc-*/include' 'gcc-*/gcc/BASE-VER' 'gcc-*/gcc/DATESTAMP' 'gcc-*/config*' \
    'gcc-*/lt*' 'gcc-*/libtool*' 'gcc-*/install-sh' 'gcc-*/missing' 'gcc-*/mkinstalldirs' \
    'gcc-*/move-if-change' 'gcc-*/depcomp' 'gcc-*/compile'
  ln -s gthr-posix.h "$sources/.libstdc++/libgcc/gthr-default.h" # libgcc's build would have made it
  mv "$sources/.libstdc++" "$sources/libstdc++"
}

make_libstdcxx() {
  unpack_gcc
  fresh libstdc++
  # gcc compiles C++ by the name of the file, and g++ would link glibc's libstdc++ in configure's trials.
  "$sources/libstdc++/libstdc++-v3/configure" --build="$(gcc -dumpmachine)" \
    --host="${triple%-gnu}-musl" --prefix="$prefix" --disable-shared --disable-nls --disable-multilib \
    --disable-libstdcxx-pch --disable-libstdcxx-filesystem-ts --disable-libstdcxx-debug \
    --with-gxx-include-dir="$prefix/include/c++/12" \
    CC="${cc[*]}" CXX="${cc[*]}" AR="$triple-ar" RANLIB="$triple-ranlib" LD="$triple-ld" NM="$triple-nm" \
    CFLAGS="${size_flags[*]} -fPIC" CXXFLAGS="${size_flags[*]} -fPIC"
  make -j"$jobs"
  make install
}

# Its own libraries stay its own: the vendor's library brings another libstdc++, the device's.
make_producer() {
  local -a size_flags=("${size_flags[@]}" -fPIC)
  prefix=$out/musl
  cc=("$triple-gcc" "-specs=$prefix/c.specs") cxx=("$triple-g++" "-specs=$prefix/c++.specs")
  emulator=("qemu-$qemu_arch-static" -L "$prefix/root")
  link_flags=('-Wl,-pie' '-Wl,--eh-frame-hdr' '-Wl,--gc-sections' '-Wl,--exclude-libs,ALL'
    "$prefix/lib/dl_find_object.o")
  options=(-Dconfig=enabled -Dproducer=auto)
  local part
  for part in tools websocket gstreamer webrtc recorder exporter libkvm go systemd usdt tests bench; do
    options+=("-D$part=disabled")
  done
  step musl make_musl
  step compiler make_specs
  step libstdc++ make_libstdcxx
  step headers make_headers
  step liburing make_liburing
  step capnproto make_capnproto
  size_flags+=(-include "$kit/musl_compat.h")
  compile "$out/build-musl" producer/framering-producer
  "${cxx[@]}" "${size_flags[@]}" -shared '-Wl,--eh-frame-hdr' "$kit/musl_standin.cpp" \
    "$prefix/lib/dl_find_object.o" -o "$prefix/root/libkvm_mmf.so"
  strip_into "$out/dist" "$out/build-musl/producer/framering-producer"
}
