"""Which attributes of DICOM identify someone, and what the basic profile does with each.

PS3.15 annex E, table E.1-1 (edition 2026c), as data. Columns: the tag (X stands for any digit of a
repeating group), the action of the basic profile (table E.1-1a: X remove, Z empty, D dummy, U new
UID; of several the last fits an attribute of any type), the keyword, and the options under which
the attribute is kept: `uids`, `device`, `institution`, `patient`, `dates`; with `~` it is cleaned
instead. `text`, `content` and `graphics` always mean cleaning. Where dates are moved, what is
marked `dates` is moved.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """What is done with one attribute.

    Attributes:
        action: `X`, `Z`, `D`, `U`, or several with `/` between them.
        keyword: the attribute's name.
        options: the options that change the action, and whether the value is cleaned under them.
    """

    action: str
    keyword: str
    options: dict[str, bool]


TABLE = """
00001000 X AffectedSOPInstanceUID uids
00001001 U RequestedSOPInstanceUID uids
00020003 U MediaStorageSOPInstanceUID uids
00041511 U ReferencedSOPInstanceUIDInFile uids
00080012 X/D InstanceCreationDate dates
00080013 X/Z/D InstanceCreationTime dates
00080014 U InstanceCreatorUID uids
00080015 X InstanceCoercionDateTime dates
00080017 U AcquisitionUID uids
00080018 U SOPInstanceUID uids
00080019 U PyramidUID uids
00080020 Z StudyDate dates
00080021 X/D SeriesDate dates
00080022 X/Z AcquisitionDate dates
00080023 Z/D ContentDate dates
00080024 X OverlayDate dates
00080025 X CurveDate dates
0008002A X/Z/D AcquisitionDateTime dates
00080030 Z StudyTime dates
00080031 X/D SeriesTime dates
00080032 X/Z AcquisitionTime dates
00080033 Z/D ContentTime dates
00080034 X OverlayTime dates
00080035 X CurveTime dates
00080050 Z AccessionNumber
00080054 X RetrieveAETitle device~
00080055 X StationAETitle device~
00080058 U FailedSOPInstanceUIDList uids
00080080 X/Z/D InstitutionName institution
00080081 X InstitutionAddress institution
00080082 X/Z/D InstitutionCodeSequence institution
00080090 Z ReferringPhysicianName
00080092 X ReferringPhysicianAddress
00080094 X ReferringPhysicianTelephoneNumbers
00080096 X ReferringPhysicianIdentificationSequence
0008009C Z ConsultingPhysicianName
0008009D X ConsultingPhysicianIdentificationSequence
00080106 D ContextGroupVersion dates
00080107 D ContextGroupLocalVersion dates
00080201 X TimezoneOffsetFromUTC dates
00081000 X NetworkID device~
00081010 X/Z/D StationName device
00081030 X StudyDescription text
0008103E X SeriesDescription text
00081040 X InstitutionalDepartmentName institution
00081041 X InstitutionalDepartmentTypeCodeSequence institution
00081048 X PhysiciansOfRecord
00081049 X PhysiciansOfRecordIdentificationSequence
00081050 X PerformingPhysicianName
00081052 X PerformingPhysicianIdentificationSequence
00081060 X NameOfPhysiciansReadingStudy
00081062 X PhysiciansReadingStudyIdentificationSequence
00081070 X/Z/D OperatorsName
00081072 X/D OperatorIdentificationSequence
00081080 X AdmittingDiagnosesDescription text
00081084 X AdmittingDiagnosesCodeSequence text
00081088 X PyramidDescription text
00081110 X/Z ReferencedStudySequence uids
00081111 X/Z/D ReferencedPerformedProcedureStepSequence uids
00081120 X ReferencedPatientSequence uids
00081140 X/Z/U ReferencedImageSequence uids
00081155 U ReferencedSOPInstanceUID uids
00081195 U TransactionUID uids
00081301 X PrincipalDiagnosisCodeSequence
00081302 X PrimaryDiagnosisCodeSequence
00081303 X SecondaryDiagnosesCodeSequence
00081304 X HistologicalDiagnosesCodeSequence
00082111 X DerivationDescription text
00082112 X/Z/U SourceImageSequence uids
00083010 U IrradiationEventUID uids
00084000 X IdentifyingComments text
00100010 Z PatientName
00100011 X PersonNamesToUseSequence
00100012 X NameToUse
00100013 X NameToUseComment
00100014 X ThirdPersonPronounsSequence
00100015 X PronounCodeSequence
00100016 X PronounComment
00100020 Z/D PatientID
00100021 X IssuerOfPatientID
00100030 Z PatientBirthDate
00100032 X PatientBirthTime
00100040 Z PatientSex patient
00100041 X GenderIdentitySequence
00100042 X SexParametersForClinicalUseCategoryComment
00100043 X SexParametersForClinicalUseCategorySequence
00100044 X GenderIdentityCodeSequence
00100045 X GenderIdentityComment
00100046 X SexParametersForClinicalUseCategoryCodeSequence
00100047 X SexParametersForClinicalUseCategoryReference
00100050 X PatientInsurancePlanCodeSequence
00100101 X PatientPrimaryLanguageCodeSequence
00100102 X PatientPrimaryLanguageModifierCodeSequence
00101000 X OtherPatientIDs
00101001 X OtherPatientNames
00101002 X OtherPatientIDsSequence
00101005 X PatientBirthName
00101010 X PatientAge patient
00101020 X PatientSize patient
00101030 X PatientWeight patient
00101040 X PatientAddress
00101050 X InsurancePlanIdentification
00101060 X PatientMotherBirthName
00101080 X MilitaryRank
00101081 X BranchOfService
00101090 X MedicalRecordLocator
00101100 X ReferencedPatientPhotoSequence
00102000 X MedicalAlerts text
00102110 X Allergies patient~ text
00102150 X CountryOfResidence
00102152 X RegionOfResidence
00102154 X PatientTelephoneNumbers
00102155 X PatientTelecomInformation
00102160 X EthnicGroup patient
00102161 X EthnicGroupCodeSequence patient
00102162 X EthnicGroups
00102180 X Occupation text
001021A0 X SmokingStatus patient
001021B0 X AdditionalPatientHistory text
001021C0 X PregnancyStatus patient
001021D0 X LastMenstrualDate dates
001021F0 X PatientReligiousPreference
00102203 X/Z PatientSexNeutered patient
00102297 X ResponsiblePerson
00102299 X ResponsibleOrganization
00104000 X PatientComments text
00120010 D ClinicalTrialSponsorName
00120020 D ClinicalTrialProtocolID
00120021 Z ClinicalTrialProtocolName
00120022 X IssuerOfClinicalTrialProtocolID
00120023 X OtherClinicalTrialProtocolIDsSequence
00120030 Z ClinicalTrialSiteID institution
00120031 Z ClinicalTrialSiteName institution
00120032 X IssuerOfClinicalTrialSiteID
00120040 D ClinicalTrialSubjectID
00120041 X IssuerOfClinicalTrialSubjectID
00120042 D ClinicalTrialSubjectReadingID
00120043 X IssuerOfClinicalTrialSubjectReadingID
00120050 Z ClinicalTrialTimePointID
00120051 X ClinicalTrialTimePointDescription text
00120055 X IssuerOfClinicalTrialTimePointID
00120060 Z ClinicalTrialCoordinatingCenterName institution
00120071 X ClinicalTrialSeriesID
00120072 X ClinicalTrialSeriesDescription text
00120073 X IssuerOfClinicalTrialSeriesID
00120081 D ClinicalTrialProtocolEthicsCommitteeName institution
00120082 X ClinicalTrialProtocolEthicsCommitteeApprovalNumber
00120086 X EthicsCommitteeApprovalEffectivenessStartDate dates
00120087 X EthicsCommitteeApprovalEffectivenessEndDate dates
0014407C X CalibrationTime device dates
0014407E X CalibrationDate device dates
0016002B X MakerNote text
0016004B X DeviceSettingDescription text
0016004D X CameraOwnerName
0016004E X LensSpecification device
0016004F X LensMake device
00160050 X LensModel device
00160051 X LensSerialNumber device
00160070 X GPSVersionID
00160071 X GPSLatitudeRef
00160072 X GPSLatitude
00160073 X GPSLongitudeRef
00160074 X GPSLongitude
00160075 X GPSAltitudeRef
00160076 X GPSAltitude
00160077 X GPSTimeStamp
00160078 X GPSSatellites
00160079 X GPSStatus
0016007A X GPSMeasureMode
0016007B X GPSDOP
0016007C X GPSSpeedRef
0016007D X GPSSpeed
0016007E X GPSTrackRef
0016007F X GPSTrack
00160080 X GPSImgDirectionRef
00160081 X GPSImgDirection
00160082 X GPSMapDatum
00160083 X GPSDestLatitudeRef
00160084 X GPSDestLatitude
00160085 X GPSDestLongitudeRef
00160086 X GPSDestLongitude
00160087 X GPSDestBearingRef
00160088 X GPSDestBearing
00160089 X GPSDestDistanceRef
0016008A X GPSDestDistance
0016008B X GPSProcessingMethod
0016008C X GPSAreaInformation
0016008D X GPSDateStamp dates
0016008E X GPSDifferential
00180010 Z/D ContrastBolusAgent text
00180027 X InterventionDrugStopTime dates
00180035 X InterventionDrugStartTime dates
00181000 X/Z/D DeviceSerialNumber device
00181002 U DeviceUID uids device
00181004 X PlateID device
00181005 X GeneratorID device
00181007 X CassetteID device
00181008 X GantryID device
00181009 X UniqueDeviceIdentifier device
0018100A X UDISequence device
0018100B U ManufacturerDeviceClassUID uids device
00181010 X SecondaryCaptureDeviceID
00181011 X HardcopyCreationDeviceID
00181012 X DateOfSecondaryCapture dates
00181014 X TimeOfSecondaryCapture dates
00181030 X/D ProtocolName text
00181042 X ContrastBolusStartTime dates
00181043 X ContrastBolusStopTime dates
00181072 X RadiopharmaceuticalStartTime dates
00181073 X RadiopharmaceuticalStopTime dates
00181078 X RadiopharmaceuticalStartDateTime dates
00181079 X RadiopharmaceuticalStopDateTime dates
001811BB D AcquisitionFieldOfViewLabel text
00181200 X DateOfLastCalibration device dates
00181201 X TimeOfLastCalibration device dates
00181202 X DateTimeOfLastCalibration device dates
00181203 Z CalibrationDateTime device dates
00181204 X DateOfManufacture device dates
00181205 X DateOfInstallation device dates
00181400 X/D AcquisitionDeviceProcessingDescription text
00182042 U TargetUID uids
00184000 X AcquisitionComments text
00185011 X TransducerIdentificationSequence device
0018700A X/D DetectorID device
0018700C X/D DateOfLastDetectorCalibration device dates
0018700E X/D TimeOfLastDetectorCalibration device dates
00189074 D FrameAcquisitionDateTime dates
00189151 D FrameReferenceDateTime dates
00189185 X RespiratoryMotionCompensationTechniqueDescription text
00189367 D XRaySourceID device
00189369 D SourceStartDateTime dates
0018936A D SourceEndDateTime dates
00189371 D XRayDetectorID device
00189373 X XRayDetectorLabel device
0018937B X MultienergyAcquisitionDescription text
0018937F X DecompositionDescription text
00189424 X AcquisitionProtocolDescription text
00189516 X/D StartAcquisitionDateTime dates
00189517 X/D EndAcquisitionDateTime dates
00189623 D FunctionalSyncPulse dates
00189701 D DecayCorrectionDateTime dates
00189804 D ExclusionStartDateTime dates
00189919 Z/D InstructionPerformedDateTime dates
00189937 X RequestedSeriesDescription text
0018A002 X ContributionDateTime dates
0018A003 X ContributionDescription text
0020000D U StudyInstanceUID uids
0020000E U SeriesInstanceUID uids
00200010 Z StudyID
00200027 X PyramidLabel text
00200052 U FrameOfReferenceUID uids
00200200 U SynchronizationFrameOfReferenceUID uids
00203401 X ModifyingDeviceID device
00203403 X ModifiedImageDate dates
00203405 X ModifiedImageTime dates
00203406 X ModifiedImageDescription
00204000 X ImageComments text
00209158 X FrameComments text
00209161 U ConcatenationUID uids
00209164 U DimensionOrganizationUID uids
00281199 U PaletteColorLookupTableUID uids
00281214 U LargePaletteColorLookupTableUID uids
00284000 X ImagePresentationComments
00320012 X StudyIDIssuer
00320032 X StudyVerifiedDate dates
00320033 X StudyVerifiedTime dates
00320034 X StudyReadDate dates
00320035 X StudyReadTime dates
00321000 X ScheduledStudyStartDate dates
00321001 X ScheduledStudyStartTime dates
00321010 X ScheduledStudyStopDate dates
00321011 X ScheduledStudyStopTime dates
00321020 X ScheduledStudyLocation device
00321021 X ScheduledStudyLocationAETitle device~
00321030 X ReasonForStudy text
00321032 X RequestingPhysician
00321033 X RequestingService
00321040 X StudyArrivalDate dates
00321041 X StudyArrivalTime dates
00321050 X StudyCompletionDate dates
00321051 X StudyCompletionTime dates
00321060 X/Z RequestedProcedureDescription text
00321066 X ReasonForVisit text
00321067 X ReasonForVisitCodeSequence text
00321070 X RequestedContrastAgent text
00324000 X StudyComments text
00340001 D FlowIdentifierSequence
00340002 D FlowIdentifier
00340005 D SourceIdentifier
00340007 D FrameOriginTimestamp dates
00380004 X ReferencedPatientAliasSequence
00380010 X AdmissionID
00380011 X IssuerOfAdmissionID
00380014 X IssuerOfAdmissionIDSequence
0038001A X ScheduledAdmissionDate dates
0038001B X ScheduledAdmissionTime dates
0038001C X ScheduledDischargeDate dates
0038001D X ScheduledDischargeTime dates
0038001E X ScheduledPatientInstitutionResidence
00380020 X AdmittingDate dates
00380021 X AdmittingTime dates
00380030 X DischargeDate dates
00380032 X DischargeTime dates
00380040 X DischargeDiagnosisDescription text
00380050 X SpecialNeeds patient~
00380060 X ServiceEpisodeID
00380061 X IssuerOfServiceEpisodeID
00380062 X ServiceEpisodeDescription text
00380064 X IssuerOfServiceEpisodeIDSequence
00380300 X CurrentPatientLocation
00380400 X PatientInstitutionResidence
00380500 X PatientState patient~ text
00384000 X VisitComments text
003A0020 X MultiplexGroupLabel
003A0203 X ChannelLabel
003A020C X ChannelDerivationDescription
003A0310 U MultiplexGroupUID uids
003A0314 D ImpedanceMeasurementDateTime dates
003A0329 X WaveformFilterDescription text
003A032B X FilterLookupTableDescription text
00400001 X ScheduledStationAETitle device~
00400002 X ScheduledProcedureStepStartDate dates
00400003 X ScheduledProcedureStepStartTime dates
00400004 X ScheduledProcedureStepEndDate dates
00400005 X ScheduledProcedureStepEndTime dates
00400006 X ScheduledPerformingPhysicianName
00400007 X ScheduledProcedureStepDescription text
00400009 X ScheduledProcedureStepID
0040000B X ScheduledPerformingPhysicianIdentificationSequence
00400010 X ScheduledStationName device
00400011 X ScheduledProcedureStepLocation device
00400012 X PreMedication patient~
00400241 X PerformedStationAETitle device~
00400242 X PerformedStationName device
00400243 X PerformedLocation
00400244 X PerformedProcedureStepStartDate dates
00400245 X PerformedProcedureStepStartTime dates
00400250 X PerformedProcedureStepEndDate dates
00400251 X PerformedProcedureStepEndTime dates
00400253 X PerformedProcedureStepID
00400254 X PerformedProcedureStepDescription text
00400275 X RequestAttributesSequence text
00400280 X CommentsOnThePerformedProcedureStep text
00400310 X CommentsOnRadiationDose text
0040050A X SpecimenAccessionNumber
00400512 D ContainerIdentifier
00400513 Z IssuerOfTheContainerIdentifierSequence
0040051A X ContainerDescription text
00400551 D SpecimenIdentifier
00400554 U SpecimenUID uids
00400555 X/Z AcquisitionContextSequence content
00400556 X AcquisitionContextDescription
00400562 Z IssuerOfTheSpecimenIdentifierSequence
00400600 X SpecimenShortDescription text
00400602 X SpecimenDetailedDescription text
00400610 Z SpecimenPreparationSequence content
004006FA X SlideIdentifier
00401001 X RequestedProcedureID
00401002 X ReasonForTheRequestedProcedure text
00401004 X PatientTransportArrangements
00401005 X RequestedProcedureLocation
0040100A X ReasonForRequestedProcedureCodeSequence text
00401010 X NamesOfIntendedRecipientsOfResults
00401011 X IntendedRecipientsOfResultsIdentificationSequence
00401101 D PersonIdentificationCodeSequence
00401102 X PersonAddress
00401103 X PersonTelephoneNumbers
00401104 X PersonTelecomInformation
00401400 X RequestedProcedureComments text
00402001 X ReasonForTheImagingServiceRequest text
00402004 X IssueDateOfImagingServiceRequest dates
00402005 X IssueTimeOfImagingServiceRequest dates
00402008 X OrderEnteredBy
00402009 X OrderEntererLocation
00402010 X OrderCallbackPhoneNumber
00402011 X OrderCallbackTelecomInformation
00402016 Z PlacerOrderNumberImagingServiceRequest
00402017 Z FillerOrderNumberImagingServiceRequest
00402400 X ImagingServiceRequestComments text
00403001 X ConfidentialityConstraintOnPatientDataDescription
00404005 X ScheduledProcedureStepStartDateTime dates
00404008 X ScheduledProcedureStepExpirationDateTime dates
00404010 X ScheduledProcedureStepModificationDateTime dates
00404011 X ExpectedCompletionDateTime dates
00404025 X ScheduledStationNameCodeSequence device
00404027 X ScheduledStationGeographicLocationCodeSequence device
00404028 X PerformedStationNameCodeSequence device
00404030 X PerformedStationGeographicLocationCodeSequence device
00404034 X ScheduledHumanPerformersSequence
00404035 X ActualHumanPerformersSequence
00404036 X HumanPerformerOrganization
00404037 X HumanPerformerName
00404050 X PerformedProcedureStepStartDateTime dates
00404051 X PerformedProcedureStepEndDateTime dates
00404052 X ProcedureStepCancellationDateTime dates
0040A023 X FindingsGroupRecordingDateTrial dates
0040A024 X FindingsGroupRecordingTimeTrial dates
0040A027 D VerifyingOrganization
0040A030 D VerificationDateTime dates
0040A032 X/D ObservationDateTime dates
0040A033 X ObservationStartDateTime dates
0040A034 X EffectiveStartDateTime
0040A035 X EffectiveStopDateTime
0040A073 D VerifyingObserverSequence
0040A075 D VerifyingObserverName
0040A078 X AuthorObserverSequence
0040A07A X ParticipantSequence
0040A07C X CustodialOrganizationSequence
0040A082 Z ParticipationDateTime dates
0040A088 Z VerifyingObserverIdentificationCodeSequence
0040A110 X DateOfDocumentOrVerbalTransactionTrial dates
0040A112 X TimeOfDocumentCreationOrVerbalTransactionTrial dates
0040A120 D DateTime dates
0040A121 D Date dates
0040A122 D Time dates
0040A123 D PersonName
0040A124 U UID
0040A13A D ReferencedDateTime dates
0040A171 U ObservationUID uids
0040A172 U ReferencedObservationUIDTrial uids
0040A192 X ObservationDateTrial dates
0040A193 X ObservationTimeTrial dates
0040A307 X CurrentObserverTrial
0040A352 X VerbalSourceTrial
0040A353 X AddressTrial
0040A354 X TelephoneNumberTrial
0040A358 X VerbalSourceIdentifierCodeSequenceTrial
0040A402 U ObservationSubjectUIDTrial uids
0040A730 D ContentSequence content
0040B020 X/D WaveformAnnotationSequence
0040B034 X AnnotationDateTime
0040B036 X SegmentDefinitionDateTime
0040B03B X MontageName
0040B03F X MontageChannelLabel
0040DB06 X TemplateVersion dates
0040DB07 X TemplateLocalVersion dates
0040DB0C U TemplateExtensionOrganizationUID uids
0040DB0D U TemplateExtensionCreatorUID uids
0040E004 X HL7DocumentEffectiveTime dates
0040E012 X DisplayURI
00420011 D EncapsulatedDocument
00440004 X ApprovalStatusDateTime dates
0044000B X ProductExpirationDateTime dates
00440010 X SubstanceAdministrationDateTime dates
00440104 D AssertionDateTime dates
00440105 X AssertionExpirationDateTime dates
0050001B X ContainerComponentID
00500020 X DeviceDescription device
00500021 X LongDeviceDescription text
00620021 U TrackingUID uids
00640003 U SourceFrameOfReferenceUID uids
00686226 D EffectiveDateTime dates
00686270 D InformationIssueDateTime dates
006A0003 D AnnotationGroupUID uids
006A0005 D AnnotationGroupLabel text
006A0006 X AnnotationGroupDescription text
00700001 D GraphicAnnotationSequence graphics
00700006 D UnformattedTextValue
00700082 X PresentationCreationDate dates
00700083 X PresentationCreationTime dates
00700084 Z/D ContentCreatorName
00700086 X ContentCreatorIdentificationCodeSequence
0070031A U FiducialUID uids
00701101 U PresentationDisplayCollectionUID uids
00701102 U PresentationSequenceCollectionUID uids
0072000A D HangingProtocolCreationDateTime dates
0072005E D SelectorAEValue device~
0072005F D SelectorASValue patient
00720061 D SelectorDAValue dates
00720063 D SelectorDTValue dates
00720065 D SelectorOBValue
00720066 D SelectorLOValue text
00720068 D SelectorLTValue text
0072006A D SelectorPNValue
0072006B D SelectorTMValue dates
0072006C D SelectorSHValue text
0072006D D SelectorUNValue
0072006E D SelectorSTValue text
00720070 D SelectorUTValue text
00720071 D SelectorURValue
00741234 X ReceivingAE device~
00741236 X RequestingAE device~
00880140 U StorageMediaFileSetUID uids
00880200 X IconImageSequence
00880904 X TopicTitle
00880906 X TopicSubject
00880910 X TopicAuthor
00880912 X TopicKeywords
01000420 X SOPAuthorizationDateTime dates
04000100 U DigitalSignatureUID
04000105 D DigitalSignatureDateTime dates
04000115 D CertificateOfSigner
04000310 X CertifiedTimestamp dates
04000402 X ReferencedDigitalSignatureSequence
04000403 X ReferencedSOPInstanceMACSequence
04000404 X MAC
04000550 X ModifiedAttributesSequence
04000551 X NonconformingModifiedAttributesSequence
04000552 X NonconformingDataElementValue
04000561 X OriginalAttributesSequence
04000562 D AttributeModificationDateTime dates
04000563 D ModifyingSystem device
04000564 Z SourceOfPreviousValues institution
04000565 D ReasonForTheAttributeModification text
04000600 X InstanceOriginStatus
20300020 X TextString
21000040 X CreationDate dates
21000050 X CreationTime dates
21000070 X Originator device~
21000140 D DestinationAE device~
22000002 X/Z LabelText text
22000005 X/Z BarcodeValue
30020121 X PositionAcquisitionTemplateName text
30020123 X PositionAcquisitionTemplateDescription text
30060002 D StructureSetLabel text
30060004 X StructureSetName text
30060006 X StructureSetDescription text
30060008 Z StructureSetDate dates
30060009 Z StructureSetTime dates
30060024 U ReferencedFrameOfReferenceUID uids
30060026 Z ROIName text
30060028 X ROIDescription text
3006002D X ROIDateTime dates
3006002E X ROIObservationDateTime dates
30060038 X ROIGenerationDescription text
3006004D X ROICreatorSequence
3006004E X ROIInterpreterSequence
30060085 X ROIObservationLabel text
30060088 X ROIObservationDescription text
300600A6 Z ROIInterpreter
300600C2 U RelatedFrameOfReferenceUID uids
30080024 D TreatmentControlPointDate dates
30080025 D TreatmentControlPointTime dates
30080054 X/D FirstTreatmentDate dates
30080056 X/D MostRecentTreatmentDate dates
30080105 X/Z SourceSerialNumber device
30080162 D SafePositionExitDate dates
30080164 D SafePositionExitTime dates
30080166 D SafePositionReturnDate dates
30080168 D SafePositionReturnTime dates
30080250 X/D TreatmentDate dates
30080251 X/D TreatmentTime dates
300A0002 D RTPlanLabel text
300A0003 X RTPlanName text
300A0004 X RTPlanDescription text
300A0006 X/D RTPlanDate dates
300A0007 X/D RTPlanTime dates
300A000B X TreatmentSites text
300A000E X PrescriptionDescription text
300A0013 U DoseReferenceUID uids
300A0016 X DoseReferenceDescription text
300A0054 U TableTopPositionAlignmentUID uids
300A0072 X FractionGroupDescription text
300A0083 U ReferencedDoseReferenceUID uids
300A00B2 X/Z TreatmentMachineName device
300A00C3 X BeamDescription text
300A00DD X BolusDescription text
300A0196 X FixationDeviceDescription text
300A01A6 X ShieldingDeviceDescription text
300A01B2 X SetupTechniqueDescription text
300A0216 X SourceManufacturer device
300A022C D SourceStrengthReferenceDate dates
300A022E D SourceStrengthReferenceTime dates
300A02EB X CompensatorDescription text
300A0608 D TreatmentPositionGroupLabel text
300A0609 U TreatmentPositionGroupUID uids
300A0611 Z RTAccessoryHolderSlotID
300A0615 Z RTAccessoryDeviceSlotID
300A0619 D RadiationDoseIdentificationLabel text
300A0623 D RadiationDoseInVivoMeasurementLabel text
300A062A D RTToleranceSetLabel text
300A0650 U PatientSetupUID uids
300A0676 X EquipmentFrameOfReferenceDescription text
300A067C D RadiationGenerationModeLabel text
300A067D Z RadiationGenerationModeDescription text
300A0700 U TreatmentSessionUID uids
300A0734 D TreatmentToleranceViolationDescription text
300A0736 D TreatmentToleranceViolationDateTime dates
300A073A D RecordedRTControlPointDateTime dates
300A0741 D InterlockDateTime dates
300A0742 D InterlockDescription text
300A0760 D OverrideDateTime dates
300A0783 D InterlockOriginDescription text
300A0785 U ReferencedTreatmentPositionGroupUID uids
300A078E X PatientTreatmentPreparationProcedureParameterDescription text
300A0792 X PatientTreatmentPreparationMethodDescription text
300A0794 X PatientSetupPhotoDescription text
300A079A X DisplacementReferenceLabel text
300C0113 X ReasonForOmissionDescription text
300C0127 D BeamHoldTransitionDateTime device dates
300E0004 Z ReviewDate dates
300E0005 Z ReviewTime dates
300E0008 X/Z ReviewerName
30100006 U ConceptualVolumeUID uids
3010000B U ReferencedConceptualVolumeUID uids
3010000F Z ConceptualVolumeCombinationDescription text
30100013 U ConstituentConceptualVolumeUID uids
30100015 U SourceConceptualVolumeUID uids
30100017 Z ConceptualVolumeDescription text
3010001B Z DeviceAlternateIdentifier
3010002D D DeviceLabel device
30100031 U ReferencedFiducialsUID uids
30100033 D UserContentLabel text
30100034 D UserContentLongLabel text
30100035 D EntityLabel text
30100036 X EntityName text
30100037 X EntityDescription text
30100038 D EntityLongLabel text
3010003B U RTTreatmentPhaseUID uids
30100043 Z ManufacturerDeviceIdentifier device
3010004C X/D IntendedPhaseStartDate dates
3010004D X/D IntendedPhaseEndDate dates
30100054 D RTPrescriptionLabel text
30100056 X/D RTTreatmentApproachLabel text
3010005A Z RTPhysicianIntentNarrative text
3010005C Z ReasonForSuperseding text
30100061 X PriorTreatmentDoseDescription text
3010006E U DosimetricObjectiveUID uids
3010006F U ReferencedDosimetricObjectiveUID uids
30100077 X/D TreatmentSite text
3010007A Z TreatmentTechniqueNotes text
3010007B Z PrescriptionNotes text
3010007F Z FractionationNotes text
30100081 Z PrescriptionNotesSequence text
30100085 X IntendedFractionStartTime dates
40000010 X Arbitrary
40004000 X TextComments
40080040 X ResultsID
40080042 X ResultsIDIssuer
40080100 X InterpretationRecordedDate dates
40080101 X InterpretationRecordedTime dates
40080102 X InterpretationRecorder
40080108 X InterpretationTranscriptionDate dates
40080109 X InterpretationTranscriptionTime dates
4008010A X InterpretationTranscriber
4008010B X InterpretationText text
4008010C X InterpretationAuthor
40080111 X InterpretationApproverSequence
40080112 X InterpretationApprovalDate dates
40080113 X InterpretationApprovalTime dates
40080114 X PhysicianApprovingInterpretation
40080115 X InterpretationDiagnosisDescription text
40080118 X ResultsDistributionListSequence
40080119 X DistributionName
4008011A X DistributionAddress
40080200 X InterpretationID
40080202 X InterpretationIDIssuer
40080300 X Impressions text
40084000 X ResultsComments text
50XXXXXX X CurveData graphics
60XX3000 X OverlayData graphics
60XX4000 X OverlayComments graphics
FFFAFFFA X DigitalSignaturesSequence
FFFCFFFC X DataSetTrailingPadding
"""


def _rules() -> dict[str, Rule]:
    rules = {}
    for line in TABLE.strip().splitlines():
        tag, action, keyword, *options = line.split()
        cleaned = {"text", "content", "graphics"}
        rules[tag] = Rule(
            action,
            keyword,
            {o.rstrip("~"): o.endswith("~") or o in cleaned for o in options},
        )
    return rules


RULES = _rules()
"""By tag, eight hexadecimal digits in capitals."""


def rule_of(group: int, element: int) -> Rule | None:
    """The rule for an attribute, None where the profile leaves it alone."""
    rule = RULES.get(f"{group:04X}{element:04X}")
    if rule is None and group >> 8 in (0x50, 0x60) and group % 2 == 0:
        start = f"{group >> 8:02X}XX"
        rule = RULES.get(f"{start}{element:04X}") or RULES.get(f"{start}XXXX")
    return rule


SAFE_PRIVATE: dict[str, tuple[tuple[int, int], ...]] = {
    "ELSCINT1": (
        *((0x00E1, 0x21), (0x01E1, 0x26), (0x01E1, 0x50), (0x01F1, 0x01), (0x01F1, 0x07)),
        *((0x01F1, 0x26), (0x01F1, 0x27)),
    ),
    "GEMS_ACQU_01": ((0x0019, 0x23), (0x0019, 0x24), (0x0019, 0x27)),
    "GEMS_HELIOS_01": ((0x0045, 0x01), (0x0045, 0x02)),
    "GEMS_PARM_01": ((0x0043, 0x27), (0x0043, 0x39)),
    "Philips Imaging DD 001": ((0x2001, 0x03), (0x2001, 0x04)),
    "Philips PET Private Group": ((0x7053, 0x00), (0x7053, 0x09)),
    "SIEMENS MR HEADER": ((0x0019, 0x0C), (0x0019, 0x0D), (0x0019, 0x0E), (0x0019, 0x27)),
}
"""By private creator: group and last byte of the element (numbers and codes of table E.3.10-1)."""
