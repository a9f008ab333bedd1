#!/bin/sh
# Builds RoadbookFFI.xcframework for iOS, the iOS simulator and macOS. Needs a Mac with Xcode and rustup.
#
# NOT RUN YET: written for a Mac, and never executed on one. Everything that the Linux tests do not cover starts here.
set -eu

ios=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$ios")
target=${CARGO_TARGET_DIR:-$root/target}
work=$target/xcframework
profile=mobile

devices=aarch64-apple-ios
simulators="aarch64-apple-ios-sim x86_64-apple-ios"
macs="aarch64-apple-darwin x86_64-apple-darwin"

[ "$(uname)" = Darwin ] || { echo "this needs a Mac" >&2; exit 1; }

# The same least versions as in Package.swift.
export IPHONEOS_DEPLOYMENT_TARGET=17.0
export MACOSX_DEPLOYMENT_TARGET=14.0

cd "$root"
for triple in $devices $simulators $macs; do
    rustup target add "$triple"
    cargo build --package roadbook-bindings --lib --profile "$profile" --target "$triple"
done

rm -rf "$work" "$ios/RoadbookFFI.xcframework"

# framework NAME PLATFORM LEAST TRIPLE...: a static framework with the code of all these processors.
framework() {
    name=$1 platform=$2 least=$3
    shift 3
    bundle=$work/$name/RoadbookFFI.framework
    contents=$bundle
    plist=$bundle/Info.plist
    if [ "$platform" = MacOSX ]; then
        # Frameworks of macOS are versioned; those of iOS are flat.
        contents=$bundle/Versions/A
        plist=$contents/Resources/Info.plist
        mkdir -p "$contents/Resources"
    fi
    mkdir -p "$contents/Headers" "$contents/Modules"
    libraries=
    for triple; do libraries="$libraries $target/$triple/$profile/libroadbook_ffi.a"; done
    # shellcheck disable=SC2086 # one word for each library; the target folder has no blanks
    lipo -create $libraries -output "$contents/RoadbookFFI"
    cp "$ios/Sources/RoadbookFFI/RoadbookFFI.h" "$contents/Headers/"
    printf 'framework module RoadbookFFI {\n    header "RoadbookFFI.h"\n    export *\n}\n' > "$contents/Modules/module.modulemap"
    cat > "$plist" <<PLIST
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
    <key>CFBundleExecutable</key><string>RoadbookFFI</string>
    <key>CFBundleIdentifier</key><string>dev.roadbook.RoadbookFFI</string>
    <key>CFBundleInfoDictionaryVersion</key><string>6.0</string>
    <key>CFBundleName</key><string>RoadbookFFI</string>
    <key>CFBundlePackageType</key><string>FMWK</string>
    <key>CFBundleShortVersionString</key><string>1.0</string>
    <key>CFBundleVersion</key><string>1</string>
    <key>CFBundleSupportedPlatforms</key><array><string>$platform</string></array>
    <key>$([ "$platform" = MacOSX ] && echo LSMinimumSystemVersion || echo MinimumOSVersion)</key><string>$least</string>
</dict>
</plist>
PLIST
    if [ "$platform" = MacOSX ]; then
        ln -s A "$bundle/Versions/Current"
        for part in Headers Modules Resources RoadbookFFI; do ln -s "Versions/Current/$part" "$bundle/$part"; done
    fi
}

# shellcheck disable=SC2086 # one word for each triple
framework device iPhoneOS "$IPHONEOS_DEPLOYMENT_TARGET" $devices
# shellcheck disable=SC2086
framework simulator iPhoneSimulator "$IPHONEOS_DEPLOYMENT_TARGET" $simulators
# shellcheck disable=SC2086
framework mac MacOSX "$MACOSX_DEPLOYMENT_TARGET" $macs

xcodebuild -create-xcframework \
    -framework "$work/device/RoadbookFFI.framework" \
    -framework "$work/simulator/RoadbookFFI.framework" \
    -framework "$work/mac/RoadbookFFI.framework" \
    -output "$ios/RoadbookFFI.xcframework"
echo "$ios/RoadbookFFI.xcframework is ready; Package.swift uses it from now on"
