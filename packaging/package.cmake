# package.cmake - what is installed where, and the Debian package that `cpack` makes of it (script/package).
#
#     /usr/bin            siltd silt silt-inspect
#     /etc/silt           siltd.toml, a conffile: what siltd itself prints, with /var/lib/silt for data
#     /lib/systemd/system siltd.service
#     /usr/share          man pages, completions, docs, examples
include(GNUInstallDirs)

add_custom_command(
  OUTPUT ${CMAKE_BINARY_DIR}/package/siltd.toml
  COMMAND ${CMAKE_SOURCE_DIR}/packaging/make-files $<TARGET_FILE:siltd> ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/package
  DEPENDS siltd packaging/make-files man/siltd.8 man/silt.1 man/silt-inspect.1 CHANGELOG.md
  COMMENT "Package: configuration, man pages")
add_custom_target(package_files ALL DEPENDS ${CMAKE_BINARY_DIR}/package/siltd.toml)

install(TARGETS siltd silt silt-inspect RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES ${CMAKE_BINARY_DIR}/package/siltd.toml DESTINATION /etc/silt)
install(FILES packaging/siltd.service DESTINATION /lib/systemd/system)
install(FILES ${CMAKE_BINARY_DIR}/package/siltd.8.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
install(FILES ${CMAKE_BINARY_DIR}/package/silt.1.gz ${CMAKE_BINARY_DIR}/package/silt-inspect.1.gz
        DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
foreach(program siltd silt silt-inspect)
  install(FILES packaging/completion/silt.bash RENAME ${program}
          DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
endforeach()
install(FILES packaging/completion/_silt DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
install(FILES LICENSE RENAME copyright DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/silt)
install(FILES README.md ${CMAKE_BINARY_DIR}/package/changelog.gz DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/silt)
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/silt)
install(DIRECTORY examples DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/silt)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME silt)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_CONTACT "SiltDB <silt@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "time-series database with InfluxDB 1.x's interface")
set(CPACK_PACKAGE_DESCRIPTION
    "SiltDB takes InfluxDB 1.x's place: agents write line protocol to it, people and Grafana query it with InfluxQL, over the
same HTTP API. This package has the server (siltd), its shell (silt) and a tool that looks into its files (silt-inspect).")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION database)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "adduser, tzdata, init-system-helpers, procps")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    "${CMAKE_SOURCE_DIR}/packaging/debian/postinst;${CMAKE_SOURCE_DIR}/packaging/debian/prerm;${CMAKE_SOURCE_DIR}/packaging/debian/postrm;${CMAKE_SOURCE_DIR}/packaging/debian/conffiles")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
include(CPack)
